/**
 * The blobs that are not in the page cache because their uploads bypassed it (docs/decisions/0011). Until the kernel has
 * them, they are read around the page cache, too: in a virtual machine, memory for the page cache can be slower than the
 * disk (docs/decisions/0057).
 */
import { LRUCache } from "lru-cache";
import type { Digest } from "../../domain/digest.js";

/** After so many times its bytes, a blob is read through the page cache even if the server was never idle long enough to fill it. */
const directReadsMax = 2;

/** About 200 bytes each. A forgotten blob is read through the page cache. */
export const coldBlobsMax = 10_000;

export class ColdBlob {
  #directBytesLeft: number;

  constructor(
    readonly file: string,
    readonly size: number,
    /** The bytes before this position are in the page cache. It grows while `CacheFiller` reads the blob. */
    public cachedBytes: number,
  ) {
    this.#directBytesLeft = directReadsMax * (size - cachedBytes);
  }

  /** Whether to read the bytes at `position` around the page cache. */
  isColdAt(position: number): boolean {
    return position >= this.cachedBytes && this.#directBytesLeft > 0;
  }

  /** Reports bytes that were read around the page cache. */
  readDirectly(bytes: number): void {
    this.#directBytesLeft -= bytes;
  }

  /** Reports that the file does not support it. */
  notDirectly(): void {
    this.#directBytesLeft = 0;
  }
}

export class ColdBlobs {
  readonly #blobs = new LRUCache<Digest, ColdBlob>({ max: coldBlobsMax });
  /** Reads of blobs that are running. */
  reads = 0;

  add(digest: Digest, blob: ColdBlob): void {
    this.#blobs.set(digest, blob);
  }

  get(digest: Digest): ColdBlob | undefined {
    return this.#blobs.get(digest);
  }
}
