/** Reads blobs of a source piece by piece: a failed read costs a piece, and memory is bounded by the number of blobs at once. */
import { Turns } from "../lib/turns.js";
import type { BlobReader } from "../storage/storage.js";
import { SourceError } from "./source.js";
import { sourceFailure } from "./source-failure.js";

/** Blobs read at once: their pieces take 64 MiB. */
const blobsAtOnce = 16;

const pieceBytes = 4 * 1024 * 1024;

export class Pieces {
  readonly #turns = new Turns(blobsAtOnce);

  /** Yields `size` bytes. `open` resolves with `undefined` if the blob is gone. Rejects with `SourceError`. */
  async *read(
    open: () => Promise<BlobReader | undefined>,
    size: number,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    await this.#turns.begin();
    try {
      const reader = await open();
      if (reader === undefined) throw new SourceError("the source has removed the blob meanwhile");
      try {
        for (let position = 0; position < size; ) {
          signal.throwIfAborted();
          const piece = Buffer.allocUnsafe(Math.min(pieceBytes, size - position));
          const bytes = await reader.read(piece, position);
          if (bytes === 0) throw new SourceError(`the blob has ${position} bytes instead of ${size}`);
          yield piece.subarray(0, bytes);
          position += bytes;
        }
      } finally {
        await reader.close();
      }
    } catch (error) {
      throw sourceFailure(error);
    } finally {
      this.#turns.end();
    }
  }
}
