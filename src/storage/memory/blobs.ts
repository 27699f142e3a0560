import { algorithmOf, type Digest } from "../../domain/digest.js";
import { digestBytes } from "../../domain/hash.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { BlobReader, BlobStore, BlobUsage, Content } from "../storage.js";
import type { MemoryData } from "./memory-data.js";

export class MemoryBlobs implements BlobStore {
  constructor(readonly data: MemoryData) {}

  /** Returns the bytes, if the repository has the blob. */
  #bytes(name: RepositoryName, digest: Digest): Buffer | undefined {
    const isThere = this.data.repositories.get(name)?.blobs.has(digest);
    return isThere ? this.data.contents.get(digest) : undefined;
  }

  #owners(digest: Digest): number {
    let count = 0;
    for (const { blobs } of this.data.repositories.values()) if (blobs.has(digest)) count++;
    return count;
  }

  /** Adds the blob. Resolves with whether these bytes replaced damaged ones. */
  async add(name: RepositoryName, digest: Digest, bytes: Buffer): Promise<boolean> {
    const damaged = (await this.checkContent(digest)) === false;
    // From here on in one turn of the event loop, so that no other call removes the content in between.
    if (damaged || !this.data.contents.has(digest)) this.data.contents.set(digest, bytes);
    this.data.made(name).blobs.add(digest);
    return damaged;
  }

  async size(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    return this.#bytes(name, digest)?.length;
  }

  async open(name: RepositoryName, digest: Digest): Promise<BlobReader | undefined> {
    const bytes = this.#bytes(name, digest);
    if (bytes === undefined) return undefined;
    return {
      size: bytes.length,
      read: async (into, position) => bytes.copy(into, 0, position),
      close: async () => {},
    };
  }

  async mount(digest: Digest, to: RepositoryName, from?: RepositoryName): Promise<number | undefined> {
    const bytes = from === undefined ? this.data.contents.get(digest) : this.#bytes(from, digest);
    if (bytes !== undefined) this.data.made(to).blobs.add(digest);
    return bytes?.length;
  }

  async remove(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    if (!this.data.repositories.get(name)?.blobs.delete(digest)) return undefined;
    return (await this.removeOrphan(digest)) ?? 0;
  }

  async list(name: RepositoryName): Promise<Digest[]> {
    return [...(this.data.repositories.get(name)?.blobs ?? [])];
  }

  async *sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number> {
    for (const digest of digests) {
      const size = this.#bytes(name, digest)?.length;
      if (size !== undefined) yield size;
    }
  }

  async *usages(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<BlobUsage> {
    for (const digest of digests) {
      const size = this.#bytes(name, digest)?.length;
      if (size !== undefined) yield { size, shared: this.#owners(digest) > 1, isContent: true };
    }
  }

  async *contents(): AsyncIterable<Content> {
    yield* this.data.allContents();
  }

  async *orphans(): AsyncIterable<Content> {
    yield* this.data.orphans();
  }

  async removeOrphan(digest: Digest): Promise<number | undefined> {
    const size = this.data.contents.get(digest)?.length;
    if (size === undefined || this.#owners(digest) > 0) return undefined;
    this.data.contents.delete(digest);
    return size;
  }

  async checkContent(digest: Digest): Promise<boolean | undefined> {
    const bytes = this.data.contents.get(digest);
    return bytes && (await digestBytes(algorithmOf(digest), bytes)) === digest;
  }

  async check(name: RepositoryName, digest: Digest): Promise<"content" | undefined> {
    return this.#bytes(name, digest) && "content";
  }
}
