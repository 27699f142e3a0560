/**
 * Blobs that are being read, opened once for all their readers and kept open for the next. A file is
 * closed when the cache has let go of it and its last reader has finished.
 */
import { LRUCache } from "lru-cache";
import type { Digest } from "../domain/digest.js";
import { assert } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { BlobReader, BlobStore } from "../storage/storage.js";

/** File descriptors that idle blobs may take; those being read come on top. */
const openBlobsMax = 256;

export class SharedBlob {
  /** The cache's own hold counts as one. */
  #holders = 1;

  constructor(readonly reader: BlobReader) {}

  get size(): number {
    return this.reader.size;
  }

  hold(): this {
    assert(this.#holders > 0, "a closed blob is not held again");
    this.#holders++;
    return this;
  }

  release(): void {
    this.#holders--;
    assert(this.#holders >= 0, "a blob is released once by each holder");
    // Nobody can use the file any more, and a read-only file has nothing to lose in its close.
    if (this.#holders === 0) void this.reader.close().catch(() => {});
  }
}

export class OpenBlobs {
  readonly #open = new LRUCache<string, SharedBlob>({ max: openBlobsMax, dispose: (blob) => blob.release() });
  readonly #opening = new Map<string, Promise<SharedBlob | undefined>>();

  constructor(readonly store: BlobStore) {}

  /** The blob, held for the caller, who releases it. `undefined` where the repository has none. */
  async acquire(name: RepositoryName, digest: Digest): Promise<SharedBlob | undefined> {
    const key = `${name}@${digest}`;
    const kept = this.#open.get(key);
    if (kept !== undefined) return kept.hold();
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      opening = this.#openNew(key, name, digest).finally(() => this.#opening.delete(key));
      this.#opening.set(key, opening);
    }
    return (await opening)?.hold();
  }

  async #openNew(key: string, name: RepositoryName, digest: Digest): Promise<SharedBlob | undefined> {
    const reader = await this.store.open(name, digest);
    if (reader === undefined) return undefined;
    const blob = new SharedBlob(reader);
    this.#open.set(key, blob);
    return blob;
  }

  forget(name: RepositoryName, digest: Digest): void {
    this.#open.delete(`${name}@${digest}`);
  }

  close(): void {
    this.#open.clear();
  }
}
