/**
 * The bounded memory of all downloads: chunks of large blobs, each read once for all downloads at the same position. Many jobs
 * that pull one layer at once share every read. A download holds a chunk only while it writes it to its socket, so slow
 * readers hold no memory: the chunk may be gone when they continue, and is read again from the page cache. The only reader of
 * a larger blob reuses the memory that it has passed, which is still in the CPU's cache (docs/decisions/0008).
 */
import { alignedBuffer } from "../lib/aligned-memory.js";
import { assert } from "../lib/assert.js";
import { HitCounts } from "../lib/hit-counts.js";
import type { BlobReader } from "../storage/storage.js";

/** An open blob. It stays open while it is held. */
export interface OpenBlob {
  /** Unique among all blobs ever opened. */
  readonly number: number;
  readonly size: number;
  readonly reader: Pick<BlobReader, "read" | "waitsAt">;
  /** Whether one download reads it, so that no other one needs the chunks that this one has passed. */
  readonly hasOneReader: boolean;
  hold(): void;
  drop(): void;
}

let numbers = 0;

/** Returns the `number` of another open blob. */
export function nextBlobNumber(): number {
  return numbers++;
}

/** Bytes at a position, held until they are released. */
export interface Piece {
  readonly bytes: Uint8Array;
  release(): void;
}

export interface BlobChunksOptions {
  /** Large enough that the cost of a call is small. */
  readonly chunkBytes: number;
  readonly chunks: number;
}

/** 32 MiB in total (docs/decisions/0008). */
export const defaultBlobChunks: BlobChunksOptions = { chunkBytes: 2 * 1024 * 1024, chunks: 16 };

/** From a store that does not read ahead by itself (docs/decisions/0057). */
const readsAtOnce = 4;

class Chunk {
  holders = 0;
  length = 0;
  /** Set while the bytes are being read. Rejects with storage errors. */
  loading: Promise<void> | undefined;
  /** Whether it was read ahead and not requested yet. */
  ahead = false;

  constructor(readonly buffer: Buffer) {}
}

export class BlobChunks {
  /** In order of last use, the least recent first. */
  readonly #kept = new Map<string, Chunk>();
  readonly #free: Buffer[] = [];
  /** Hits and misses. A chunk that is being read counts as a hit. */
  readonly lookups = new HitCounts();
  #waiting: (() => void)[] = [];
  /** For all chunks. Allocated when the first is read. */
  #memory: ArrayBuffer | undefined;
  #made = 0;
  #ahead = 0;

  constructor(readonly options: BlobChunksOptions = defaultBlobChunks) {}

  /** Returns the bytes from `position` to the end of its chunk. Synchronous if they are in memory. */
  at(blob: OpenBlob, position: number): Piece | Promise<Piece> {
    if (blob.hasOneReader) this.#forgetBefore(blob, position);
    const key = this.#keyAt(blob, position);
    const chunk = this.lookups.note(this.#kept.get(key));
    if (chunk === undefined || chunk.loading !== undefined) return this.#load(blob, position, key);
    chunk.holders++;
    return this.#piece(key, chunk, position);
  }

  /** Frees the chunk that ends at `position`, if any. A blob that fits into the memory is kept for the next reader. */
  #forgetBefore(blob: OpenBlob, position: number): void {
    const { chunkBytes, chunks } = this.options;
    if (position === 0 || position % chunkBytes !== 0 || blob.size <= chunkBytes * chunks) return;
    const key = this.#keyAt(blob, position - 1);
    const chunk = this.#kept.get(key);
    if (chunk === undefined || chunk.holders > 0 || chunk.loading !== undefined) return;
    this.#kept.delete(key);
    this.#noLongerAhead(chunk);
    this.#giveBuffer(chunk.buffer);
  }

  /**
   * Starts reading the chunk at `position`, and further ones if the store does not read ahead by itself, as long as there is
   * memory that no other download needs.
   */
  readAhead(blob: OpenBlob, position: number): void {
    const count = blob.reader.waitsAt?.(position) ? readsAtOnce : 1;
    for (let next = 0; next < count; next++) this.#readAhead(blob, position + next * this.options.chunkBytes);
  }

  #readAhead(blob: OpenBlob, position: number): void {
    const key = this.#keyAt(blob, position);
    if (position >= blob.size || this.#kept.has(key) || this.#ahead >= this.options.chunks / 2) return;
    const chunk = this.#begin(blob, position, key);
    if (chunk === undefined) return;
    chunk.ahead = true;
    this.#ahead++;
  }

  #keyAt(blob: OpenBlob, position: number): string {
    return `${blob.number}:${Math.floor(position / this.options.chunkBytes)}`;
  }

  async #load(blob: OpenBlob, position: number, key: string): Promise<Piece> {
    for (;;) {
      const chunk = this.#kept.get(key) ?? this.#begin(blob, position, key);
      if (chunk === undefined) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        continue;
      }
      chunk.holders++;
      try {
        await chunk.loading;
      } catch (error) {
        this.#release(chunk);
        throw error;
      }
      return this.#piece(key, chunk, position);
    }
  }

  #piece(key: string, chunk: Chunk, position: number): Piece {
    this.#noLongerAhead(chunk);
    if (this.#kept.get(key) === chunk) {
      this.#kept.delete(key);
      this.#kept.set(key, chunk);
    }
    const bytes = chunk.buffer.subarray(position % this.options.chunkBytes, chunk.length);
    return { bytes, release: () => this.#release(chunk) };
  }

  /** Starts reading a chunk. Returns undefined if there is no memory for it now. */
  #begin(blob: OpenBlob, position: number, key: string): Chunk | undefined {
    const buffer = this.#takeBuffer();
    if (buffer === undefined) return undefined;
    const chunk = new Chunk(buffer);
    this.#kept.set(key, chunk);
    chunk.loading = this.#read(blob, position - (position % this.options.chunkBytes), chunk).catch(
      (error: unknown) => {
        this.#kept.delete(key);
        this.#noLongerAhead(chunk);
        if (chunk.holders === 0) this.#giveBuffer(chunk.buffer);
        throw error;
      },
    );
    // The callers waiting for the chunk get the error; after reading ahead there may be none.
    chunk.loading.catch(() => {});
    return chunk;
  }

  async #read(blob: OpenBlob, start: number, chunk: Chunk): Promise<void> {
    chunk.length = Math.min(this.options.chunkBytes, blob.size - start);
    blob.hold();
    try {
      const got = await blob.reader.read(chunk.buffer.subarray(0, chunk.length), start);
      if (got < chunk.length) throw new Error("a blob is shorter than it was");
      chunk.loading = undefined;
      if (chunk.holders === 0) this.#wakeAll();
    } finally {
      blob.drop();
    }
  }

  #takeBuffer(): Buffer | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < this.options.chunks) {
      const { chunkBytes, chunks } = this.options;
      this.#memory ??= alignedBuffer(chunkBytes * chunks);
      return Buffer.from(this.#memory, chunkBytes * this.#made++, chunkBytes);
    }
    for (const [key, chunk] of this.#kept) {
      if (chunk.holders > 0 || chunk.loading !== undefined) continue;
      this.#kept.delete(key);
      this.#noLongerAhead(chunk);
      return chunk.buffer;
    }
    return undefined;
  }

  #noLongerAhead(chunk: Chunk): void {
    if (chunk.ahead) this.#ahead--;
    chunk.ahead = false;
  }

  #release(chunk: Chunk): void {
    assert(chunk.holders > 0, "a piece is released once by each holder");
    chunk.holders--;
    if (chunk.holders > 0) return;
    // Leave it set: the bytes never arrived, and no download will find the chunk again.
    if (chunk.loading !== undefined) this.#giveBuffer(chunk.buffer);
    else this.#wakeAll();
  }

  #giveBuffer(buffer: Buffer): void {
    this.#free.push(buffer);
    this.#wakeAll();
  }

  #wakeAll(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
