/** Blobs that clients are reading, so that eviction leaves them alone. */
import type { Piece } from "../cache/blob-chunks.js";
import type { ReadableBlob } from "../cache/open-blobs.js";
import type { Digest } from "../domain/digest.js";
import type { PulledBlob } from "../registry/pull-blob.js";

export class HeldBlobs {
  /** Number of holders of each digest. */
  readonly #holders = new Map<Digest, number>();

  has(digest: Digest): boolean {
    return this.#holders.has(digest);
  }

  /** Holds the blob from before `pulling` until it has failed, or until the pulled blob is released. */
  async during(digest: Digest, pulling: Promise<PulledBlob>): Promise<PulledBlob> {
    this.#holders.set(digest, (this.#holders.get(digest) ?? 0) + 1);
    let isKept = false;
    try {
      const pulled = await pulling;
      if (!("file" in pulled)) return pulled;
      isKept = true;
      return { size: pulled.size, file: new HeldBlob(pulled.file, () => this.#release(digest)) };
    } finally {
      if (!isKept) this.#release(digest);
    }
  }

  #release(digest: Digest): void {
    const holders = this.#holders.get(digest) ?? 1;
    if (holders === 1) this.#holders.delete(digest);
    else this.#holders.set(digest, holders - 1);
  }
}

class HeldBlob implements ReadableBlob {
  constructor(
    readonly blob: ReadableBlob,
    readonly onRelease: () => void,
  ) {}

  get size(): number {
    return this.blob.size;
  }

  get reader(): ReadableBlob["reader"] {
    return this.blob.reader;
  }

  at(position: number): Piece | Promise<Piece> {
    return this.blob.at(position);
  }

  readAhead(position: number): void {
    this.blob.readAhead(position);
  }

  release(): void {
    this.onRelease();
    this.blob.release();
  }
}
