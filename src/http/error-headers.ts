/** What an error's answer says in its headers: how to log in, when to come again, what there is, how to go on. */
import { ChunkOutOfOrder, RangeNotSatisfiable, RegistryError, TooManyRequests } from "../domain/errors.js";
import { isRepositoryName, type RepositoryName } from "../domain/repository-name.js";
import { challenge } from "./challenge.js";
import type { Login } from "./context.js";
import type { Exchange, Headers } from "./exchange.js";
import { sessionHeaders } from "./session-headers.js";

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
    // RFC 9110, section 15.5.17.
    if (error instanceof RangeNotSatisfiable) return [jsonType, ["Content-Range", `bytes */${error.size}`]];
    if (error instanceof ChunkOutOfOrder) return [jsonType, ...sessionHeaders(exchange, error.session)];
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
      source: sourceOf(incoming),
      error: isToken ? cause : undefined,
      origin: this.publicOrigin ?? `${incoming.peer.secure ? "https" : "http"}://${incoming.host}`,
    });
    return [jsonType, ["WWW-Authenticate", asked]];
  }
}

/** What a mount names as its source, if it may be one. */
function sourceOf({ method, query }: Exchange["incoming"]): RepositoryName | undefined {
  const parameters = method === "POST" ? new URLSearchParams(query) : undefined;
  const from = parameters?.has("mount") ? parameters.get("from") : undefined;
  return from && isRepositoryName(from) ? from : undefined;
}
