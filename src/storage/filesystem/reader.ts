/** A blob's open file. */
import type { FileHandle } from "node:fs/promises";
import type { BlobReader } from "../storage.js";

export class FileBlobReader implements BlobReader {
  private constructor(
    readonly handle: FileHandle,
    readonly size: number,
  ) {}

  static async over(handle: FileHandle): Promise<FileBlobReader> {
    try {
      return new FileBlobReader(handle, (await handle.stat()).size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const { bytesRead } = await this.handle.read(into, filled, into.length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}
