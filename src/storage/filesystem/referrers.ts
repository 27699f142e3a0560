/** Referrers: for each subject a directory with one small file per referrer, its descriptor as listed by the API. */
import { lstat } from "node:fs/promises";
import { type Digest, isDigest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { parseReferrer } from "../referrer-entry.js";
import type { Referrer, ReferrerStore } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import type { DoSteps } from "./file-steps.js";
import { ifThere, removeIfEmpty, removeIfThere } from "./files.js";
import type { Journal } from "./journal/journal.js";
import type { Layout } from "./layout.js";
import { putFile } from "./put-file.js";
import type { Directories } from "./sync.js";

export class FileReferrers implements ReferrerStore {
  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly doSteps: DoSteps,
    readonly checkedFiles: CheckedFiles,
    readonly journal: Journal | undefined,
  ) {}

  async add(name: RepositoryName, subject: Digest, referrer: Referrer): Promise<void> {
    const folder = this.layout.referrers(name, subject);
    const path = `${folder}/${referrer.digest}`;
    const bytes = Buffer.from(JSON.stringify(referrer));
    if (await putFile(this, path, bytes)) return;
    await this.directories.sync(folder);
    await this.journal?.changed(path);
  }

  async remove(name: RepositoryName, subject: Digest, referrer: Digest): Promise<void> {
    const folder = this.layout.referrers(name, subject);
    if (!(await this.checkedFiles.demandFolder(folder))) return;
    if (!(await removeIfThere(`${folder}/${referrer}`))) return;
    // The removal of another entry may have removed the folder meanwhile.
    await ifThere(this.directories.sync(folder));
    await this.journal?.removed(`${folder}/${referrer}`);
    await removeIfEmpty(folder);
  }

  async *all(name: RepositoryName): AsyncIterable<{ subject: Digest; referrer: Digest }> {
    const folder = this.layout.referrersRoot(name);
    for (const subject of await this.#digestsIn(folder)) {
      for (const referrer of await this.#digestsIn(`${folder}/${subject}`)) yield { subject, referrer };
    }
  }

  async *list(name: RepositoryName, subject: Digest, after?: Digest): AsyncIterable<Referrer> {
    for (const digest of (await this.#digestsIn(this.layout.referrers(name, subject))).sort()) {
      if (after !== undefined && digest <= after) continue;
      const referrer = await this.find(name, subject, digest);
      if (referrer !== undefined) yield referrer;
    }
  }

  async find(name: RepositoryName, subject: Digest, digest: Digest): Promise<Referrer | undefined> {
    const path = `${this.layout.referrers(name, subject)}/${digest}`;
    const bytes = await this.checkedFiles.read(path);
    const referrer = bytes && parseReferrer(bytes);
    if (referrer?.digest === digest) return referrer;
    if (bytes !== undefined) this.checkedFiles.name(path, "not the descriptor of a referrer");
    return undefined;
  }

  async has(name: RepositoryName, subject: Digest, referrer: Digest): Promise<boolean> {
    return (await ifThere(lstat(`${this.layout.referrers(name, subject)}/${referrer}`))) !== undefined;
  }

  async #digestsIn(folder: string): Promise<Digest[]> {
    return ((await this.checkedFiles.entries(folder)) ?? []).filter(isDigest);
  }
}
