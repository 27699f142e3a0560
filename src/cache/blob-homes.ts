/**
 * In which repositories blobs have been seen lately. For whoever may not see every repository: a mount that
 * names no source looks here for one that the caller may pull from, since to ask each repository would cost
 * as much as there are. What is not found is uploaded, as the specification has it.
 */
import { LRUCache } from "lru-cache";
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { HitCounts } from "../lib/hit-counts.js";
import { entriesMax } from "../lib/lru-bound.js";

/** Some 200 bytes each. */
const digestsMax = 50_000;

/** A base layer is in thousands of repositories, and some of those seen last are as good as all. */
const homesMax = 16;

export class BlobHomes {
  readonly #homes = new LRUCache<Digest, readonly RepositoryName[]>(entriesMax(digestsMax));
  readonly lookups = new HitCounts();

  /** To be called when the repository has been seen to have the blob. */
  seen(name: RepositoryName, digest: Digest): void {
    const before = this.#homes.get(digest) ?? [];
    if (before[0] === name) return;
    this.#homes.set(digest, [name, ...before.filter((home) => home !== name)].slice(0, homesMax));
  }

  /** The one seen last first. They may have lost it since. */
  of(digest: Digest): readonly RepositoryName[] {
    return this.lookups.note(this.#homes.get(digest)) ?? [];
  }
}
