/**
 * The file of an upload. Writes are sequential, each at the end of the file, so that a crash leaves a prefix of the upload
 * without gaps. Large uploads to a durable store bypass the page cache: the kernel writes straight from the slab to the disk
 * and need not find memory, copy the bytes and write them back (docs/decisions/0011).
 */
import { closeSync, constants, fdatasync, openSync } from "node:fs";
import type { WorkerSetup } from "../../src/storage/filesystem/worker-protocol.js";
import { writeAll, writeSome } from "./write.js";

/** Smaller writes are not worth waiting for the disk. */
const directBytesMin = 128 * 1024;

export class UploadFile {
  /** The same file opened with O_DIRECT, or false if that is not possible. */
  #direct: number | false | undefined;
  /** Bytes written past the page cache. */
  directBytes = 0;

  constructor(
    readonly path: string,
    readonly descriptor: number,
    readonly setup: Pick<WorkerSetup, "blockBytes" | "cachedBytes" | "durable">,
  ) {
    if (!setup.durable) this.#direct = false;
  }

  /**
   * Appends bytes at `position`, the end of the file. They must begin at the same offset within a block in memory as in the
   * file, and may be reused when this resolves.
   */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    const { blockBytes, cachedBytes } = this.setup;
    const before = (blockBytes - (position % blockBytes)) % blockBytes;
    const behind = (position + bytes.length) % blockBytes;
    const blocks = bytes.subarray(before, bytes.length - behind);
    if (position < cachedBytes || blocks.length < directBytesMin) return this.#writeCached(bytes, position);
    if (before > 0) await this.#writeCached(bytes.subarray(0, before), position);
    const done = await this.#writeDirect(blocks, position + before);
    this.directBytes += done;
    const rest = bytes.subarray(before + done);
    if (rest.length > 0) await this.#writeCached(rest, position + before + done);
  }

  #writeCached(bytes: Uint8Array, position: number): Promise<void> {
    return writeAll(this.descriptor, bytes, position);
  }

  /** Returns the number of bytes written past the page cache: fewer than all if the file system does not support it. */
  async #writeDirect(blocks: Uint8Array, position: number): Promise<number> {
    try {
      this.#direct ??= openSync(this.path, constants.O_WRONLY | constants.O_DIRECT | constants.O_NOFOLLOW);
      return this.#direct === false ? 0 : await writeSome(this.#direct, blocks, position);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
      this.#closeDirect();
      return 0;
    }
  }

  #closeDirect(): void {
    if (typeof this.#direct === "number") closeSync(this.#direct);
    this.#direct = false;
  }

  /** Resolves when all written bytes are on stable storage. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  close(): void {
    this.#closeDirect();
    closeSync(this.descriptor);
  }
}
