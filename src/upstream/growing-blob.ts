/**
 * A blob that is being fetched from an upstream registry. Any number of readers follow it from its first byte on, each at its
 * own pace. The bytes are in a scratch file; the chunk that is arriving is in memory, too.
 *
 * The last byte is held back until the digest is verified: a reader of a blob with wrong bytes gets a broken connection, never
 * a complete wrong body.
 */
import { type BlobChunks, nextBlobNumber, type OpenBlob, type Piece } from "../cache/blob-chunks.js";
import type { ReadableBlob } from "../cache/open-blobs.js";
import { RegistryError } from "../domain/errors.js";
import { assert } from "../lib/assert.js";
import type { ScratchFile } from "../lib/held-bytes.js";

/** Readers that wait for bytes are woken at most this often: 500 readers of a fast upstream would keep the thread busy. */
const wakeMilliseconds = 5;

export class GrowingBlob implements OpenBlob, ReadableBlob {
  readonly number = nextBlobNumber();
  /** Bytes in the scratch file. */
  #received = 0;
  #verified = false;
  #failure: Error | undefined;
  /** The chunk that is arriving, from `#tailStart` on. Readers may still hold an earlier one. */
  #tail: Buffer;
  #tailStart = 0;
  /** The fetch and each reader. */
  #holders = 1;
  /** Later readers need the chunks that earlier ones have passed. */
  readonly hasOneReader = false;
  #progress: Promise<void> | undefined;
  #wake: () => void = () => {};
  #wokenAt = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `size` in bytes, as announced by the upstream. Held by the fetch until it calls `verified` or `fail`. */
  constructor(
    readonly size: number,
    readonly file: ScratchFile,
    readonly chunks: BlobChunks,
  ) {
    this.#tail = this.#newTail();
  }

  readonly reader = {
    /** Waits for the bytes. Rejects if the fetch fails before they have arrived. */
    read: async (into: Uint8Array, position: number): Promise<number> => {
      const wanted = Math.min(into.length, this.size - position);
      if (wanted <= 0) return 0;
      while (this.#available < position + wanted) await this.#more();
      let read = 0;
      while (read < wanted) read += await this.file.readLater(into.subarray(read, wanted), position + read);
      return read;
    },
  };

  /** Bytes that readers may have. */
  get #available(): number {
    return this.#verified ? this.size : Math.min(this.#received, this.size - 1);
  }

  get received(): number {
    return this.#received;
  }

  /**
   * Adds the bytes of a fetch that begins again at the first byte. Rejects with `digest-mismatch` if they differ from those
   * that readers may have, because only the last attempt's bytes are verified.
   */
  async addAt(position: number, bytes: Uint8Array): Promise<void> {
    const known = bytes.subarray(0, Math.max(0, this.#received - position));
    if (known.length > 0) {
      const before = Buffer.alloc(known.length);
      await this.readReceived(before, position);
      if (!before.equals(known))
        throw new RegistryError("digest-mismatch", "two answers with the same blob differ");
    }
    if (known.length < bytes.length) await this.add(bytes.subarray(known.length));
  }

  /** Fills `into` with bytes that have arrived, verified or not. */
  async readReceived(into: Uint8Array, position: number): Promise<void> {
    assert(position + into.length <= this.#received, "only bytes that have arrived are read back");
    for (let read = 0; read < into.length; )
      read += await this.file.readLater(into.subarray(read), position + read);
  }

  /** Adds the next bytes, which must fit into `size`. Rejects with the storage's error. */
  async add(bytes: Uint8Array): Promise<void> {
    assert(this.#received + bytes.length <= this.size, "a fetch brings no more bytes than announced");
    await this.file.writeLater(bytes, this.#received);
    let taken = 0;
    while (taken < bytes.length) {
      const end = this.#received - this.#tailStart;
      const part = bytes.subarray(taken, taken + this.#tail.length - end);
      this.#tail.set(part, end);
      taken += part.length;
      this.#received += part.length;
      if (this.#received - this.#tailStart === this.#tail.length && this.#received < this.size) {
        this.#tailStart = this.#received;
        this.#tail = this.#newTail();
      }
    }
    this.#wakeSoon();
  }

  /** Ends the fetch: the storage has the blob, with its digest. Readers may have the last byte. */
  verified(): void {
    assert(this.#received === this.size, "a verified blob is complete");
    this.#verified = true;
    this.#end();
  }

  /** Ends the fetch. Readers that need further bytes get `error`. */
  fail(error: Error): void {
    this.#failure = error;
    this.#end();
  }

  #end(): void {
    this.#wakeNow();
    this.release();
  }

  at(position: number): Piece | Promise<Piece> {
    return this.#pieceAt(position) ?? this.#wait(position);
  }

  async #wait(position: number): Promise<Piece> {
    for (;;) {
      await this.#more();
      const piece = this.#pieceAt(position);
      if (piece !== undefined) return piece;
    }
  }

  #pieceAt(position: number): Piece | Promise<Piece> | undefined {
    if (position >= this.#available) return undefined;
    if (position >= this.#tailStart) {
      const bytes = this.#tail.subarray(position - this.#tailStart, this.#available - this.#tailStart);
      return { bytes, release: () => {} };
    }
    return this.chunks.at(this, position);
  }

  readAhead(position: number): void {
    if (position < this.#tailStart) this.chunks.readAhead(this, position);
  }

  /** Whether a new reader may hold it: there is another holder, and the fetch has not failed. */
  get canBeFollowed(): boolean {
    return this.#holders > 0 && this.#failure === undefined;
  }

  hold(): this {
    assert(this.#holders > 0, "a blob is held before its last holder releases it");
    this.#holders++;
    return this;
  }

  drop(): void {
    this.release();
  }

  release(): void {
    assert(this.#holders > 0, "a blob is released once by each holder");
    this.#holders--;
    if (this.#holders === 0) this.file.close();
  }

  /** Resolves when there are further bytes or the fetch has ended. Rejects if it has failed. */
  async #more(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#progress ??= new Promise((resolve) => {
      this.#wake = resolve;
    });
    await this.#progress;
  }

  #wakeSoon(): void {
    if (this.#progress === undefined || this.#timer !== undefined) return;
    const wait = wakeMilliseconds - (performance.now() - this.#wokenAt);
    if (wait <= 0) this.#wakeNow();
    else this.#timer = setTimeout(() => this.#wakeNow(), wait);
  }

  #wakeNow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#progress = undefined;
    this.#wokenAt = performance.now();
    this.#wake();
  }

  #newTail(): Buffer {
    const bytes = Math.min(this.chunks.options.chunkBytes, this.size - this.#received);
    return Buffer.allocUnsafeSlow(bytes);
  }
}
