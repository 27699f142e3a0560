/**
 * The bytes of an upload that no part has yet. A store accepts parts of 5 MiB or more, so they have to be held: a few in a
 * buffer of their own, more in the bounded memory for parts or, if that is used up, in a scratch file, which the page cache
 * holds. So any number of slow uploads take little memory.
 */
import type { ScratchFile } from "../../src/lib/held-bytes.js";
import type { PartBuffers } from "./part-buffers.js";

/** Most configs and many layers are smaller. */
const ownBytesMax = 64 * 1024;

export class HeldPart {
  length = 0;
  #own: Buffer | undefined;
  #pooled: Buffer | undefined;
  #file: ScratchFile | undefined;

  constructor(
    readonly buffers: PartBuffers,
    readonly openFile: () => ScratchFile,
  ) {}

  /** Adds a copy. The bytes must fit into a part. Throws file system errors. */
  append(bytes: Uint8Array): void {
    if (this.#pooled === undefined && this.#file === undefined) {
      if (this.length + bytes.length <= ownBytesMax) {
        this.#own = this.#own === undefined ? Buffer.from(bytes) : Buffer.concat([this.#own, bytes]);
        this.length += bytes.length;
        return;
      }
      this.#grow();
    }
    if (this.#pooled !== undefined) this.#pooled.set(bytes, this.length);
    else this.#file?.write(bytes, this.length);
    this.length += bytes.length;
  }

  #grow(): void {
    this.#pooled = this.buffers.spare();
    if (this.#pooled === undefined) this.#file = this.openFile();
    if (this.#own !== undefined) {
      if (this.#pooled !== undefined) this.#pooled.set(this.#own);
      else this.#file?.write(this.#own, 0);
    }
    this.#own = undefined;
  }

  /** Keeps the first `length` bytes. */
  truncate(length: number): void {
    this.#own = this.#own?.subarray(0, length);
    this.length = length;
  }

  /** Returns the bytes, valid until the next call. Throws file system errors. */
  bytes(): Buffer {
    if (this.#own !== undefined) return this.#own;
    if (this.#pooled !== undefined) return this.#pooled.subarray(0, this.length);
    return this.#read(Buffer.allocUnsafe(this.length));
  }

  /**
   * Passes `start` and the bytes after it to `use`, and holds them on. Copies many bytes to one of `copies`, for which it waits:
   * hundreds of uploads may end at the same time.
   */
  async lend<T>(start: Uint8Array, copies: PartBuffers, use: (bytes: Buffer) => Promise<T>): Promise<T> {
    if (this.#file === undefined && start.length === 0) return use(this.bytes());
    const length = start.length + this.length;
    const isSmall = this.#file === undefined && this.#pooled === undefined;
    if (isSmall || length > copies.partBytes) return use(Buffer.concat([start, this.bytes()]));
    const buffer = await copies.next();
    try {
      const bytes = buffer.subarray(0, length);
      bytes.set(start);
      const rest = bytes.subarray(start.length);
      if (this.#pooled === undefined) this.#read(rest);
      else rest.set(this.#pooled.subarray(0, this.length));
      return await use(bytes);
    } finally {
      copies.give(buffer);
    }
  }

  /** Passes the bytes to `use`, and then holds none. They are in memory for parts meanwhile. */
  async release<T>(use: (bytes: Buffer) => Promise<T>): Promise<T> {
    const { length } = this;
    if (this.#own !== undefined || length === 0) {
      const own = this.#own ?? Buffer.alloc(0);
      this.clear();
      return use(own);
    }
    const buffer = this.#pooled ?? (await this.buffers.next());
    this.#pooled = undefined;
    try {
      const bytes =
        this.#file === undefined ? buffer.subarray(0, length) : this.#read(buffer.subarray(0, length));
      this.clear();
      return await use(bytes);
    } finally {
      this.buffers.give(buffer);
    }
  }

  #read(into: Buffer): Buffer {
    for (let at = 0; at < into.length; ) at += this.#file?.read(into.subarray(at), at) ?? into.length;
    return into;
  }

  clear(): void {
    this.length = 0;
    this.#own = undefined;
    if (this.#pooled !== undefined) this.buffers.give(this.#pooled);
    this.#pooled = undefined;
    this.#file?.close();
    this.#file = undefined;
  }
}
