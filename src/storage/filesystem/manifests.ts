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
import type { Journal } from "./journal/journal.js";
import type { Layout } from "./layout.js";
import { putFile } from "./put-file.js";
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
    readonly journal: Journal | undefined,
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
    const isDurable = await spans.during("write", () =>
      this.alone(name, digest, async () => {
        if (!(await this.has(name, digest, bytes)))
          // The tags' directory makes this a repository, with or without tags.
          return putFile(this, path, bytes, this.layout.tags(name));
        await this.makeDurable(name, digest);
        return true;
      }),
    );
    if (isDurable) return;
    await spans.during("sync", () => this.directories.sync(folder));
    await this.journal?.changed(path);
  }

  /** Runs `work` while no other caller writes the manifest. Replacing an equal file would leave the tags with a copy. */
  alone<T>(name: RepositoryName, digest: Digest, work: () => Promise<T>): Promise<T> {
    return this.#writing.exclusive(this.layout.manifest(name, digest), work);
  }

  async has(name: RepositoryName, digest: Digest, bytes: Uint8Array): Promise<boolean> {
    return (await this.checkedFiles.read(this.layout.manifest(name, digest)))?.equals(bytes) ?? false;
  }

  /** Makes the names of an existing manifest durable: its writer may have been killed before it has synced them. */
  async makeDurable(name: RepositoryName, digest: Digest): Promise<void> {
    if (this.journal?.isLive(this.layout.manifest(name, digest))) return;
    await this.directories.ensure(this.layout.tags(name));
    await this.directories.sync(this.layout.manifests(name));
  }

  async remove(name: RepositoryName, digest: Digest): Promise<boolean> {
    if (!(await this.checkedFiles.demandFolder(this.layout.manifests(name)))) return false;
    const removed = await removeIfThere(this.layout.manifest(name, digest));
    if (removed) {
      await this.directories.sync(this.layout.manifests(name));
      await this.journal?.removed(this.layout.manifest(name, digest));
    }
    return removed;
  }
}
