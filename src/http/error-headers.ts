/** What an error's answer says in its headers: how to log in, and when to come again. */
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { challenge } from "./challenge.js";
import type { Login } from "./context.js";
import type { Exchange, Headers } from "./exchange.js";

export const jsonType = ["Content-Type", "application/json"] as const;

export class ErrorHeaders {
  constructor(
    readonly login: Login | undefined,
    /** `https://host` by which clients reach this server, where `Host` does not say. */
    readonly publicOrigin: string | undefined,
  ) {}

  of(exchange: Exchange, error: unknown): Headers {
    if (error instanceof TooManyRequests)
      return [jsonType, ["Retry-After", String(Math.max(1, error.retryAfterSeconds))]];
    if (error instanceof RegistryError && this.login !== undefined) {
      if (error.kind === "unauthorized") return this.#challenge(this.login, exchange, "invalid_token");
      if (error.kind === "insufficient-scope")
        return this.#challenge(this.login, exchange, "insufficient_scope");
    }
    return [jsonType];
  }

  #challenge(
    login: Login,
    { incoming, name }: Exchange,
    cause: "invalid_token" | "insufficient_scope",
  ): Headers {
    const action = incoming.route?.action ?? "base";
    const isToken = incoming.authorization.slice(0, 7).toLowerCase() === "bearer ";
    const asked = challenge(login.challenge, {
      action: action === "public" ? "base" : action,
      name,
      error: isToken ? cause : undefined,
      origin: this.publicOrigin ?? `${incoming.peer.secure ? "https" : "http"}://${incoming.host}`,
    });
    return [jsonType, ["WWW-Authenticate", asked]];
  }
}
