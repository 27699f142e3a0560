/** What a request for a repository of an upstream brings along. */
import type { PullPermit } from "../auth/gate.js";
import type { Upstream } from "./upstream.js";

export interface Mirrored {
  readonly upstream: Upstream;
  readonly permit: PullPermit;
  /** The repository's name at the upstream, with its `namespace`. */
  readonly remote: string;
  /** The client, as limits count it. */
  readonly client: string;
}
