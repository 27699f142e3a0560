/** What every handler is given beside its request and its permit. */
import type { Authenticator } from "../auth/authenticator.js";
import type { Gate } from "../auth/gate.js";
import type { OwnTokens } from "../auth/tokens/own-tokens.js";
import type { KeyedTurns } from "../lib/keyed-turns.js";
import type { RegistryEvent } from "../registry/registry-event.js";
import type { Services } from "../registry/services.js";
import type { ChallengeOptions } from "./challenge.js";
import type { Exchange } from "./exchange.js";
import type { MultipartMemory } from "./multipart.js";
import type { Page } from "./page-server.js";

/** How callers prove who they are. */
export interface Login {
  readonly authenticator: Pick<Authenticator, "identify" | "byPassword" | "attempt" | "current">;
  readonly challenge: ChallengeOptions;
  /** Absent where this server issues no tokens itself. */
  readonly tokens?: OwnTokens | undefined;
}

/** Told of what a request has done or got, when its answer is on its way and what it has stored is there to stay. */
export type RegistryEventListener = (exchange: Exchange, event: RegistryEvent) => void;

export interface HttpContext {
  readonly services: Services;
  readonly gate: Gate;
  /** Absent on a server without authentication, where all are anonymous. */
  readonly login: Login | undefined;
  /** Absent where the API's own port has no metrics. */
  readonly metrics?: (() => Promise<Page>) | undefined;
  readonly multipart: MultipartMemory;
  /** Listings read a file or more for each entry: one client has a few of them at work at a time. */
  readonly listingTurns: KeyedTurns;
  /** Absent where nobody wants to know. */
  readonly onEvent: RegistryEventListener | undefined;
}
