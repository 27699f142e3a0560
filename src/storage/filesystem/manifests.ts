/** Manifests: the bytes as pushed, by digest, in each repository. */
import { lstat } from "node:fs/promises";
import { type Digest, isDigest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { batchesOf } from "../../lib/batches.js";
import { KeyedLock } from "../../lib/keyed-lock.js";
import { noSpans, type Spans } from "../../lib/spans.js";
import type { ManifestStore } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import type { DoSteps } from "./file-steps.js";
import { ifThere, removeIfThere } from "./files.js";
import type { Layout } from "./layout.js";
import { measuresMax, type Surveyor } from "./surveyor.js";
import type { Directories } from "./sync.js";

export class FileManifests implements ManifestStore {
  /** Running writes by path. */
  readonly #writing = new KeyedLock<string>();

  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly doSteps: DoSteps,
    readonly checkedFiles: CheckedFiles,
    readonly surveyor: Surveyor,
  ) {}

  async read(name: RepositoryName, digest: Digest): Promise<Buffer | "unreadable" | undefined> {
    const path = this.layout.manifest(name, digest);
    const bytes = await this.checkedFiles.read(path);
    if (bytes !== undefined) return bytes;
    return (await ifThere(lstat(path))) === undefined ? undefined : "unreadable";
  }

  async size(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    return (await this.checkedFiles.file(this.layout.manifest(name, digest)))?.size;
  }

  async *sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number> {
    for await (const { size } of this.surveyor.measures(this.layout.manifests(name), digests)) yield size;
  }

  async list(name: RepositoryName): Promise<Digest[]> {
    return ((await this.checkedFiles.demandEntries(this.layout.manifests(name))) ?? []).filter(isDigest);
  }

  async *pushedAt(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number | undefined> {
    const folder = this.layout.manifests(name);
    for (const batch of batchesOf(digests, measuresMax))
      for (const measure of await this.surveyor.measure(folder, batch)) yield measure?.writtenAt;
  }

  async write(
    name: RepositoryName,
    digest: Digest,
    bytes: Uint8Array,
    spans: Spans = noSpans,
  ): Promise<void> {
    const path = this.layout.manifest(name, digest);
    const folder = this.layout.manifests(name);
    // One at a time: replacing an equal file would leave the tags with a copy of their own.
    await spans.during("write", () =>
      this.#writing.exclusive(path, () =>
        // The tags' directory makes this a repository, with or without tags.
        this.directories.within([this.layout.tags(name)], async () => {
          const there = await this.checkedFiles.read(path);
          if (there?.equals(bytes)) return;
          await this.#put(path, bytes);
        }),
      ),
    );
    // Also if it existed already: its writer may not have synced it yet.
    await spans.during("sync", () => this.directories.sync(folder));
  }

  async #put(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = this.layout.temporary();
    try {
      await this.doSteps([
        { do: "write", file: temporary, bytes },
        { do: "rename", from: temporary, to: path },
      ]);
    } catch (error) {
      await removeIfThere(temporary).catch(() => {});
      throw error;
    }
  }

  async remove(name: RepositoryName, digest: Digest): Promise<boolean> {
    if (!(await this.checkedFiles.demandFolder(this.layout.manifests(name)))) return false;
    const removed = await removeIfThere(this.layout.manifest(name, digest));
    if (removed) await this.directories.sync(this.layout.manifests(name));
    return removed;
  }
}
