/**
 * The one authorization gate. Every route names the action that it is, and the edge asks the gate before
 * any use-case runs. Who the caller is and what they may do is a policy's business; the one here lets
 * everybody do everything, which is why a server without authentication listens on loopback only.
 */
import type { RepositoryName } from "../domain/repository-name.js";

/** What a route does, in the gate's words. */
export type Action = "base" | "pull" | "push" | "delete" | "catalog";

export interface AccessRequest {
  readonly action: Action;
  /** Absent where the route is about no single repository. */
  readonly name: RepositoryName | undefined;
}

/** Decides: returns or resolves where access is granted; throws or rejects with `unauthorized` or `denied`. */
export type Gate = (request: AccessRequest) => void | Promise<void>;

export const openGate: Gate = () => {};
