/**
 * Remembers in which repositories blobs were seen lately. A mount without a source looks here for a repository that the caller
 * may pull from: asking every repository would cost as much as there are. If none is found, the client uploads the blob, as
 * the specification allows.
 */
import { LRUCache } from "lru-cache";
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { HitCounts } from "../lib/hit-counts.js";
import { entriesMax } from "../lib/lru-bound.js";

/** About 200 bytes each. */
const digestsMax = 50_000;

/** A base layer is in thousands of repositories. The few seen last serve as well as all. */
const homesMax = 16;

export class BlobHomes {
  readonly #homes = new LRUCache<Digest, readonly RepositoryName[]>(entriesMax(digestsMax));
  readonly lookups = new HitCounts();

  /** Call this when the repository is known to have the blob. */
  seen(name: RepositoryName, digest: Digest): void {
    const before = this.#homes.get(digest) ?? [];
    if (before[0] === name) return;
    this.#homes.set(digest, [name, ...before.filter((home) => home !== name)].slice(0, homesMax));
  }

  /** Returns repositories, the one seen last first. They may have lost the blob since. */
  of(digest: Digest): readonly RepositoryName[] {
    return this.lookups.note(this.#homes.get(digest)) ?? [];
  }
}
