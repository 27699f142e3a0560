/**
 * Opens each blob once for all its readers and keeps it open for the next. A blob is closed when the cache has evicted it and
 * its last reader has finished.
 */
import { LRUCache } from "lru-cache";
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { assert } from "../lib/assert.js";
import { idleBlobsMax } from "../lib/connection-limits.js";
import { HitCounts } from "../lib/hit-counts.js";
import type { BlobReader, BlobStore } from "../storage/storage.js";
import { BlobChunks, nextBlobNumber, type OpenBlob, type Piece } from "./blob-chunks.js";

export type BlobKey = `${RepositoryName}@${Digest}`;

/** A blob that can be read from any position until it is released. */
export interface ReadableBlob {
  /** In bytes. */
  readonly size: number;
  readonly reader: Pick<BlobReader, "read">;
  /** Returns one or more bytes from `position` on, which must lie within the blob. */
  at(position: number): Piece | Promise<Piece>;
  /** Hints that `position` will be read next. */
  readAhead(position: number): void;
  release(): void;
}

export class SharedBlob implements OpenBlob, ReadableBlob {
  readonly number = nextBlobNumber();
  /** Readers, running reads, and the cache. */
  #holders = 0;
  #readers = 0;

  constructor(
    readonly reader: BlobReader,
    readonly chunks: BlobChunks,
  ) {}

  get size(): number {
    return this.reader.size;
  }

  /** See `BlobChunks.at`. */
  at(position: number): Piece | Promise<Piece> {
    return this.chunks.at(this, position);
  }

  readAhead(position: number): void {
    this.chunks.readAhead(this, position);
  }

  get hasOneReader(): boolean {
    return this.#readers === 1;
  }

  /** Adds a reader, which has to release the blob. */
  acquire(): this {
    this.#readers++;
    this.hold();
    return this;
  }

  release(): void {
    assert(this.#readers > 0, "a blob is released once by each reader");
    this.#readers--;
    this.drop();
  }

  hold(): void {
    this.#holders++;
  }

  drop(): void {
    assert(this.#holders > 0, "a blob is dropped once by each holder");
    this.#holders--;
    // The file is unused now, and closing a file that was only read loses nothing.
    if (this.#holders === 0) void this.reader.close().catch(() => {});
  }
}

export class OpenBlobs {
  /** Each is held once by the cache itself. */
  readonly #open: LRUCache<BlobKey, SharedBlob>;
  readonly chunks = new BlobChunks();
  readonly lookups = new HitCounts();
  readonly #opening = new Map<BlobKey, Promise<SharedBlob | undefined>>();

  /** While `isCurrent` returns false, each reader opens the blob itself: changes elsewhere may be missed. */
  constructor(
    readonly store: BlobStore,
    readonly isCurrent: () => boolean = () => true,
    /** Each may take a descriptor. Those being read come on top. */
    idleMax = idleBlobsMax,
  ) {
    this.#open = new LRUCache({ max: idleMax, dispose: (blob) => blob.drop() });
  }

  /** Returns the blob, which the caller has to release, or undefined if the repository does not have it. */
  async acquire(name: RepositoryName, digest: Digest): Promise<SharedBlob | undefined> {
    const key: BlobKey = `${name}@${digest}`;
    if (!this.isCurrent()) {
      const reader = await this.store.open(name, digest);
      return reader && new SharedBlob(reader, this.chunks).acquire();
    }
    const kept = this.lookups.note(this.#open.get(key));
    if (kept !== undefined) return kept.acquire();
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      opening = this.store.open(name, digest).then((reader) => reader && new SharedBlob(reader, this.chunks));
      this.#opening.set(key, opening);
    }
    try {
      const blob = (await opening)?.acquire();
      // The first caller to get here caches it, unless the blob was forgotten meanwhile.
      if (blob !== undefined && this.#opening.get(key) === opening && this.isCurrent()) {
        blob.hold();
        this.#open.set(key, blob);
      }
      return blob;
    } finally {
      if (this.#opening.get(key) === opening) this.#opening.delete(key);
    }
  }

  forget(key: BlobKey): void {
    this.#opening.delete(key);
    this.#open.delete(key);
  }

  /** Forgets all blobs. */
  clear(): void {
    this.#opening.clear();
    this.#open.clear();
  }
}
