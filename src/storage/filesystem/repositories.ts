/** The repositories of a store in the catalog's order, and the directories of empty ones. */
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { RepositoryStore } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import { historyFolder, type Layout } from "./layout.js";
import type { Surveyor } from "./surveyor.js";
import type { Directories } from "./sync.js";

/** Batch size for callers that need all of them. */
const manyAtOnce = 1_000;

export class FileRepositories implements RepositoryStore {
  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly checkedFiles: CheckedFiles,
    readonly surveyor: Surveyor,
  ) {}

  list(after = "", atOnce = manyAtOnce): AsyncIterable<RepositoryName> {
    return this.surveyor.repositories("manifests", after, atOnce);
  }

  async *all(): AsyncIterable<RepositoryName> {
    yield* this.list();
    yield* this.surveyor.repositories("blobs", "", manyAtOnce);
  }

  async *empty(): AsyncIterable<RepositoryName> {
    yield* this.surveyor.repositories("empty manifests", "", manyAtOnce);
    yield* this.surveyor.repositories("empty blobs", "", manyAtOnce);
  }

  /** A file created at this moment is safe: the system removes only empty directories. */
  async removeEmpty(name: RepositoryName): Promise<boolean> {
    const { layout, directories } = this;
    const [manifests, blobs] = [layout.manifests(name), layout.blobs(name)];
    if (!(await this.#hasNoFiles(manifests)) || !(await this.#hasNoFiles(blobs))) return false;
    const referrers = layout.referrersRoot(name);
    for (const subject of (await this.checkedFiles.entries(referrers)) ?? [])
      if (!(await directories.removeIfEmpty(`${referrers}/${subject}`))) return false;
    if (!(await this.#dropHistory(name))) return false;
    // The tags' directory makes it a repository: after a crash here, the rest is found again.
    if (!(await directories.removeIfEmpty(layout.tags(name)))) return false;
    await directories.removeIfEmpty(referrers);
    await this.#prune(manifests, layout.manifestsRoot);
    await this.#prune(blobs, layout.blobsRoot);
    return true;
  }

  /** Removes the history of removed tags. Returns false, and removes nothing, if there are tags. */
  async #dropHistory(name: RepositoryName): Promise<boolean> {
    const { layout, directories, checkedFiles } = this;
    const found = (await checkedFiles.demandEntries(layout.tags(name))) ?? [];
    if (found.some((entry) => entry !== historyFolder)) return false;
    const histories = layout.removedTags(name);
    for (const tag of (await checkedFiles.demandEntries(histories)) ?? [])
      await rm(`${histories}/${tag}`, { recursive: true, force: true });
    return directories.removeIfEmpty(histories);
  }

  async #hasNoFiles(folder: string): Promise<boolean> {
    // Rejects for a folder behind a symbolic link, so that such a repository is not removed.
    if (!(await this.checkedFiles.demandFolder(folder))) return true;
    return ((await this.checkedFiles.typedEntries(folder)) ?? []).every((entry) => entry.isDirectory());
  }

  /** Removes the directory and its parents, up to the first that is not empty. */
  async #prune(folder: string, root: string): Promise<void> {
    for (let path = folder; path !== root; path = dirname(path))
      if (!(await this.directories.removeIfEmpty(path))) return;
  }
}
