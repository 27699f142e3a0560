/** The open file of a blob. */
import { constants, read } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { BlobReader } from "../storage.js";
import type { ColdBlob, ColdBlobs } from "./cold-blobs.js";
import { errorCode } from "./files.js";

/** Position, length and memory of direct I/O are multiples of a block of the disk; a page is one on every disk. */
const blockBytes = 4096;

export class FileBlobReader implements BlobReader {
  /** The same file opened with O_DIRECT. */
  #direct: Promise<FileHandle | undefined> | undefined;

  private constructor(
    readonly handle: FileHandle,
    readonly size: number,
    readonly cold: ColdBlob | undefined,
    readonly counts: Pick<ColdBlobs, "reads">,
  ) {}

  /**
   * Returns `undefined`, and closes the handle, if it is not a regular file. `cold` is set if the blob may not be in the
   * page cache.
   */
  static async over(
    handle: FileHandle,
    cold?: ColdBlob,
    counts: Pick<ColdBlobs, "reads"> = { reads: 0 },
  ): Promise<FileBlobReader | undefined> {
    try {
      const found = await handle.stat();
      if (found.isFile()) return new FileBlobReader(handle, found.size, cold, counts);
      await handle.close();
      return undefined;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  waitsAt(position: number): boolean {
    return this.cold?.isColdAt(position) ?? false;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    this.counts.reads++;
    try {
      const done = this.waitsAt(position) ? await this.#readDirectly(into, position) : 0;
      return done === into.length ? done : await readAll(this.handle.fd, into, position, done);
    } finally {
      this.counts.reads--;
    }
  }

  /** Returns the number of bytes read around the page cache, whole blocks: fewer than all if that is not possible. */
  async #readDirectly(into: Uint8Array, position: number): Promise<number> {
    const length = into.length - (into.length % blockBytes);
    if (length === 0 || position % blockBytes !== 0) return 0;
    this.#direct ??= this.#openDirectly();
    const direct = await this.#direct;
    if (direct === undefined) return 0;
    try {
      const done = await readSome(direct.fd, into, 0, length, position);
      this.cold?.readDirectly(done);
      return done - (done % blockBytes);
    } catch (error) {
      // The memory is not aligned.
      if (errorCode(error) !== "EINVAL") throw error;
      // Not for ever, if it never succeeds.
      this.cold?.readDirectly(length);
      return 0;
    }
  }

  /** Returns `undefined` if the file system does not support it. Opens the same file, even if its name is another one's now. */
  async #openDirectly(): Promise<FileHandle | undefined> {
    try {
      return await open(`/proc/self/fd/${this.handle.fd}`, constants.O_RDONLY | constants.O_DIRECT);
    } catch {
      this.cold?.notDirectly();
      return undefined;
    }
  }

  async close(): Promise<void> {
    await (await this.#direct)?.close();
    await this.handle.close();
  }
}

/** Reads from `position + filled` on. Returns the bytes in `into`, fewer than its length only at the end of the file. */
function readAll(descriptor: number, into: Uint8Array, position: number, filled: number): Promise<number> {
  return readSome(descriptor, into, filled, into.length - filled, position + filled).then((count) =>
    count === 0 || filled + count === into.length
      ? filled + count
      : readAll(descriptor, into, position, filled + count),
  );
}

/** Uses callbacks: a handle's own `read` takes four times the CPU time in addition to the copy. */
function readSome(
  descriptor: number,
  into: Uint8Array,
  start: number,
  length: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, into, start, length, position, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
