/** The dependencies of every handler, beside its request and permit. */
import type { Authenticator } from "../auth/authenticator.js";
import type { Gate } from "../auth/gate.js";
import type { OidcProvider } from "../auth/oidc/provider.js";
import type { LimitOf } from "../auth/stored-caller.js";
import type { OwnTokens } from "../auth/tokens/own-tokens.js";
import type { KeyedTurns } from "../lib/keyed-turns.js";
import type { RegistryEvent } from "../registry/registry-event.js";
import type { Services } from "../registry/services.js";
import type { UpstreamCache } from "../upstream/cache.js";
import type { ChallengeOptions } from "./challenge.js";
import type { Exchange } from "./exchange.js";
import type { MultipartMemory } from "./multipart.js";
import type { Page } from "./page-server.js";
import type { Web } from "./web/web.js";

/** How callers authenticate. */
export interface Login {
  readonly authenticator: Pick<Authenticator, "identify" | "byPassword" | "attempt" | "current">;
  readonly challenge: ChallengeOptions;
  /** Returns the current limit of a robot or CI job. */
  readonly limitOf: LimitOf;
  /** Absent if this server issues no tokens. */
  readonly tokens?: OwnTokens | undefined;
  /** Absent if people do not log in elsewhere. */
  readonly oidc?: OidcLogin | undefined;
}

/** The login server of people (OpenID Connect). */
export interface OidcLogin {
  readonly provider: Pick<OidcProvider, "begin" | "finish">;
  /** Its name for people. */
  readonly label: string;
}

/** Called for an event of a request, after its response has been sent and its changes are durable. */
export type RegistryEventListener = (exchange: Exchange, event: RegistryEvent) => void;

export interface HttpContext {
  readonly services: Services;
  readonly gate: Gate;
  /** Absent on a server without authentication, where all callers are anonymous. */
  readonly login: Login | undefined;
  /** Absent if this registry caches no others. */
  readonly upstreams?: UpstreamCache | undefined;
  /** Absent if there is no web page. */
  readonly web?: Web | undefined;
  /** Absent if the API's port serves no metrics. */
  readonly metrics?: (() => Promise<Page>) | undefined;
  readonly multipart: MultipartMemory;
  /** Limits the concurrent list requests of one client: a list reads one or more files for each entry. */
  readonly listingTurns: KeyedTurns;
  /** Whether the client with this address may be redirected to the store. Absent if all may. */
  readonly redirects?: ((address: string) => boolean) | undefined;
  /** Absent if nothing consumes events. */
  readonly onEvent: RegistryEventListener | undefined;
}
