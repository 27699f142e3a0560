import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { ManifestStore } from "../storage.js";
import type { MemoryData } from "./memory-data.js";

export class MemoryManifests implements ManifestStore {
  constructor(readonly data: MemoryData) {}

  #find(name: RepositoryName, digest: Digest) {
    return this.data.repositories.get(name)?.manifests.get(digest);
  }

  async read(name: RepositoryName, digest: Digest): Promise<Buffer | undefined> {
    return this.#find(name, digest)?.bytes;
  }

  async size(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    return this.#find(name, digest)?.bytes.length;
  }

  async *sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number> {
    for (const digest of digests) {
      const size = this.#find(name, digest)?.bytes.length;
      if (size !== undefined) yield size;
    }
  }

  async list(name: RepositoryName): Promise<Digest[]> {
    return [...(this.data.repositories.get(name)?.manifests.keys() ?? [])];
  }

  async *pushedAt(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number | undefined> {
    for (const digest of digests) yield this.#find(name, digest)?.pushedAt;
  }

  async write(name: RepositoryName, digest: Digest, bytes: Uint8Array): Promise<void> {
    const repository = this.data.made(name);
    repository.listed = true;
    if (repository.manifests.get(digest)?.bytes.equals(bytes)) return;
    repository.manifests.set(digest, { bytes: Buffer.from(bytes), pushedAt: Date.now() });
  }

  async remove(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.data.repositories.get(name)?.manifests.delete(digest) ?? false;
  }
}
