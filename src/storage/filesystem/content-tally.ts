/**
 * How many contents are stored, and their bytes, without looking: whoever adds or removes one says so, and each walk
 * over all of them that comes to its end counts anew. Until the first, nothing is known, unless somebody kept it.
 */
import type { Digest } from "../../domain/digest.js";
import type { ContentTotal } from "../storage.js";

export class ContentTally {
  readonly #walks = new Set<ContentWalk>();

  /** `undefined` until it is known. */
  constructor(public total: ContentTotal | undefined) {}

  /** `contents` of that digest, and bytes of theirs, have been added; negative where they were removed. */
  changed(digest: Digest, contents: number, bytes: number): void {
    if (this.total !== undefined) this.total = plus(this.total, contents, bytes);
    for (const walk of this.#walks) walk.changed(digest, contents, bytes);
  }

  /** Begins to count anew. */
  walk(): ContentWalk {
    const walk = new ContentWalk((total) => {
      this.#walks.delete(walk);
      if (total !== undefined) this.total = total;
    });
    this.#walks.add(walk);
    return walk;
  }
}

/** What a walk has before it, and looks at. */
interface Watch {
  readonly last: Digest | undefined;
  /** Whether one of them has changed. */
  changed: boolean;
}

/** A walk in the order of the digests, so that it is known of each change whether the walk will yet come to it. */
export class ContentWalk {
  #total: ContentTotal = { contents: 0, bytes: 0 };
  #at: Digest | undefined;
  #watch: Watch = { last: undefined, changed: false };

  constructor(private readonly onEnd: (total: ContentTotal | undefined) => void) {}

  /** Watches those that come next, which are looked at before they are passed. */
  watch(next: readonly Digest[]): Readonly<Watch> {
    this.#watch = { last: next.at(-1), changed: false };
    return this.#watch;
  }

  pass(digest: Digest, bytes: number): void {
    this.#total = plus(this.#total, 1, bytes);
    this.#at = digest;
  }

  /** There is no content of this digest. */
  skip(digest: Digest): void {
    this.#at = digest;
  }

  changed(digest: Digest, contents: number, bytes: number): void {
    if (isUpTo(this.#at, digest)) this.#total = plus(this.#total, contents, bytes);
    else if (isUpTo(this.#watch.last, digest)) this.#watch.changed = true;
  }

  /** To be called when all have been passed. */
  end(): void {
    this.onEnd(this.#total);
  }

  /** To be called in the end in any case. */
  [Symbol.dispose](): void {
    this.onEnd(undefined);
  }
}

function isUpTo(last: Digest | undefined, digest: Digest): boolean {
  return last !== undefined && digest <= last;
}

function plus({ contents, bytes }: ContentTotal, moreContents: number, moreBytes: number): ContentTotal {
  return { contents: contents + moreContents, bytes: bytes + moreBytes };
}
