/**
 * Counts the stored contents and their bytes without a walk: additions and removals are reported to it, and each complete
 * walk over all contents counts again. Before the first walk the count is unknown, unless it was saved.
 */
import type { Digest } from "../../domain/digest.js";
import type { ContentTotal } from "../storage.js";

export class ContentTally {
  readonly #walks = new Set<ContentWalk>();

  constructor(
    /** The total; `undefined` while unknown. */
    public total: ContentTotal | undefined,
    /** Called with each change, if another process counts. */
    readonly onChanged?: (digest: Digest, contents: number, bytes: number) => void,
  ) {}

  /** Reports that `contents` contents of that digest, with `bytes` bytes, were added; negative if removed. */
  changed(digest: Digest, contents: number, bytes: number): void {
    this.onChanged?.(digest, contents, bytes);
    if (this.total !== undefined) this.total = plus(this.total, contents, bytes);
    for (const walk of this.#walks) walk.changed(digest, contents, bytes);
  }

  /** Starts a new count. */
  walk(): ContentWalk {
    const walk = new ContentWalk((total) => {
      this.#walks.delete(walk);
      // A walk here misses what other processes change meanwhile.
      if (total !== undefined && this.onChanged === undefined) this.total = total;
    });
    this.#walks.add(walk);
    return walk;
  }
}

/** A group of contents that a walk is examining. */
interface Watch {
  readonly last: Digest | undefined;
  /** Whether one of them has changed meanwhile. */
  changed: boolean;
}

/** A walk in the order of the digests, so that for each change it is known whether the walk has passed it. */
export class ContentWalk {
  #total: ContentTotal = { contents: 0, bytes: 0 };
  #at: Digest | undefined;
  #watch: Watch = { last: undefined, changed: false };

  constructor(private readonly onEnd: (total: ContentTotal | undefined) => void) {}

  /** Watches the next contents while they are examined, before they are passed. */
  watch(next: readonly Digest[]): Readonly<Watch> {
    this.#watch = { last: next.at(-1), changed: false };
    return this.#watch;
  }

  pass(digest: Digest, bytes: number): void {
    this.#total = plus(this.#total, 1, bytes);
    this.#at = digest;
  }

  /** Passes a digest that has no content. */
  skip(digest: Digest): void {
    this.#at = digest;
  }

  changed(digest: Digest, contents: number, bytes: number): void {
    if (isUpTo(this.#at, digest)) this.#total = plus(this.#total, contents, bytes);
    else if (isUpTo(this.#watch.last, digest)) this.#watch.changed = true;
  }

  /** Call it when all contents have been passed. */
  end(): void {
    this.onEnd(this.#total);
  }

  /** Call it at the end in any case. */
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
