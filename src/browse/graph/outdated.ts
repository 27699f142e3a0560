/** Records which parts of a graph are stale. Changes add to it; the next lookup reads those parts again. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";

/** For more changed tags or removed manifests, all are listed. */
const changedMax = 1_000;

export interface Due {
  readonly tags: ReadonlySet<Tag> | "all";
  /** Whether to list the manifests: there may be new ones, or some are gone. */
  readonly manifests: boolean;
  /** Manifests that may be gone. */
  readonly removed: ReadonlySet<Digest>;
}

export class Outdated {
  #tags = new Set<Tag>();
  #removed = new Set<Digest>();
  #allTags = true;
  #manifests = true;

  get isNothing(): boolean {
    return !this.#allTags && !this.#manifests && this.#tags.size + this.#removed.size === 0;
  }

  /** Whether all tags or all manifests have to be listed. */
  get needsListing(): boolean {
    return this.#allTags || this.#manifests;
  }

  noteTag(tag: Tag): void {
    if (this.#tags.size < changedMax) this.#tags.add(tag);
    else this.#allTags = true;
  }

  noteRemoval(digest: Digest): void {
    if (this.#removed.size < changedMax) this.#removed.add(digest);
    else this.#manifests = true;
  }

  notePush(): void {
    this.#manifests = true;
  }

  noteAll(): void {
    this.#allTags = true;
    this.#manifests = true;
  }

  /** Returns what was noted. What is noted from now on is due the next time. */
  take(): Due {
    const due: Due = {
      tags: this.#allTags ? "all" : this.#tags,
      manifests: this.#manifests,
      removed: this.#removed,
    };
    this.#tags = new Set();
    this.#removed = new Set();
    this.#allTags = false;
    this.#manifests = false;
    return due;
  }
}
