/** What a request for a repository of an upstream brings along. */
import type { PullPermit } from "../auth/gate.js";
import type { CacheResult, ObjectKind } from "./counts.js";
import type { Upstream } from "./upstream.js";

export class Mirrored {
  /** How the cache answers the request, once that is decided. */
  result: CacheResult | undefined;

  constructor(
    readonly upstream: Upstream,
    readonly permit: PullPermit,
    /** The repository's name at the upstream, with its `namespace`. */
    readonly remote: string,
    /** The client, as limits count it. */
    readonly client: string,
  ) {}

  note(kind: ObjectKind, result: CacheResult): void {
    this.result = result;
    this.upstream.counts.results[kind][result]++;
  }

  /** Counts bytes of the response. */
  sent(bytes: number): void {
    this.upstream.counts.sentBytes += bytes;
  }
}
