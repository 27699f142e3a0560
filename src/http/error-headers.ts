/** The headers of error responses: the challenge, `Retry-After`, `Allow`, and ranges to continue with. */
import {
  ChunkOutOfOrder,
  type ErrorKind,
  RangeNotSatisfiable,
  RegistryError,
  TooManyRequests,
} from "../domain/errors.js";
import { isRepositoryName, type RepositoryName } from "../domain/repository-name.js";
import { type Access, accessesFor, type ChallengeFor, challenge } from "./challenge.js";
import type { Login } from "./context.js";
import type { Exchange, Headers } from "./exchange.js";
import type { Incoming } from "./incoming.js";
import { originOf } from "./origin.js";
import { sessionHeaders } from "./session-headers.js";

export const jsonType = ["Content-Type", "application/json"] as const;

/** Failures of an engine behind the registry, which end when it is back. */
const passing: ReadonlySet<ErrorKind> = new Set(["storage-unavailable", "cluster-unavailable"]);

/** Clients that honour it try again a few times; an engine restarts within seconds. */
const passingRetrySeconds = 5;

/** Called when a caller must log in, but the settings lack information about the proxy in front of this server. */
export type OriginWarning = (incoming: Incoming, problem: "unknown" | "untrusted") => void;

export class ErrorHeaders {
  constructor(
    readonly login: Login | undefined,
    /** `https://host` by which clients reach this server, if `Host` does not have it. */
    readonly publicOrigin: string | undefined,
    readonly onOrigin: OriginWarning | undefined,
  ) {}

  of(exchange: Exchange, error: unknown): Headers {
    if (error instanceof TooManyRequests) return [jsonType, retryAfter(error)];
    if (error instanceof RegistryError && passing.has(error.kind))
      return [jsonType, ["Retry-After", String(passingRetrySeconds)]];
    // RFC 9110, section 15.5.17.
    if (error instanceof RangeNotSatisfiable) return [jsonType, ["Content-Range", `bytes */${error.size}`]];
    if (error instanceof ChunkOutOfOrder) return [jsonType, ...sessionHeaders(exchange, error.session)];
    const cause = causeOf(error);
    return cause === undefined || this.login === undefined
      ? [jsonType]
      : this.#challenge(this.login, exchange, cause);
  }

  /** Returns the detail of an error body that asks for a login. */
  accesses(exchange: Exchange, error: unknown): readonly Access[] | null | undefined {
    return causeOf(error) === undefined ? undefined : accessesFor(wantedBy(exchange));
  }

  #challenge(login: Login, exchange: Exchange, cause: LoginCause): Headers {
    const { incoming } = exchange;
    const isToken = incoming.authorization.slice(0, 7).toLowerCase() === "bearer ";
    const origin = originOf(incoming, this.publicOrigin);
    if (login.challenge.scheme === "bearer" && login.challenge.realm.startsWith("/"))
      this.#warn(incoming, origin);
    const asked = challenge(login.challenge, {
      ...wantedBy(exchange),
      error: isToken ? cause : undefined,
      origin,
    });
    return [jsonType, ["WWW-Authenticate", asked]];
  }

  #warn(incoming: Incoming, origin: string | undefined): void {
    if (origin === undefined) this.onOrigin?.(incoming, "unknown");
    else if (this.publicOrigin === undefined && !incoming.peer.secure && incoming.front === "https-proxy")
      this.onOrigin?.(incoming, "untrusted");
  }
}

export function retryAfter({ retryAfterSeconds }: TooManyRequests): readonly [string, string] {
  return ["Retry-After", String(Math.max(1, retryAfterSeconds))];
}

type LoginCause = "invalid_token" | "insufficient_scope";

/** Returns why the caller must log in, if the error is about that. */
function causeOf(error: unknown): LoginCause | undefined {
  if (!(error instanceof RegistryError)) return undefined;
  if (error.kind === "unauthorized") return "invalid_token";
  return error.kind === "insufficient-scope" ? "insufficient_scope" : undefined;
}

function wantedBy({ incoming, name }: Exchange): Pick<ChallengeFor, "action" | "name" | "source"> {
  const action = incoming.route?.action ?? "base";
  return { action: action === "public" ? "base" : action, name, source: sourceOf(incoming) };
}

/** Returns the source repository of a mount, if it is a valid name. */
function sourceOf({ method, query }: Exchange["incoming"]): RepositoryName | undefined {
  const parameters = method === "POST" ? new URLSearchParams(query) : undefined;
  const from = parameters?.has("mount") ? parameters.get("from") : undefined;
  return from && isRepositoryName(from) ? from : undefined;
}
