/** Manifests: the bytes as pushed, by digest, in each repository. */
import { readdir, stat } from "node:fs/promises";
import { type Digest, isDigest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { ManifestStore } from "../storage.js";
import { ifThere, putDurably, readIfThere, removeIfThere } from "./files.js";
import type { Layout } from "./layout.js";
import type { Directories } from "./sync.js";

export class FileManifests implements ManifestStore {
  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
  ) {}

  read(name: RepositoryName, digest: Digest): Promise<Buffer | undefined> {
    return readIfThere(this.layout.manifest(name, digest));
  }

  async size(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    return (await ifThere(stat(this.layout.manifest(name, digest))))?.size;
  }

  async list(name: RepositoryName): Promise<Digest[]> {
    return ((await ifThere(readdir(this.layout.manifests(name)))) ?? []).filter(isDigest);
  }

  async pushedAt(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    return (await ifThere(stat(this.layout.manifest(name, digest))))?.mtimeMs;
  }

  async write(name: RepositoryName, digest: Digest, bytes: Uint8Array): Promise<void> {
    const path = this.layout.manifest(name, digest);
    const folder = this.layout.manifests(name);
    // The tags' folder is what makes this a repository, with or without a tag.
    await this.directories.within([this.layout.tags(name)], async () => {
      const there = await readIfThere(path);
      if (there?.equals(bytes)) return;
      await putDurably(path, bytes, this.layout.temporary(), this.directories.durability);
    });
    // Also where it was there already: whoever wrote it may not have synced it yet.
    await this.directories.sync(folder);
  }

  async remove(name: RepositoryName, digest: Digest): Promise<boolean> {
    const removed = await removeIfThere(this.layout.manifest(name, digest));
    if (removed) await this.directories.sync(this.layout.manifests(name));
    return removed;
  }
}
