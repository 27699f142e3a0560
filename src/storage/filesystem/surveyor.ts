/** The client of the thread that reads the store's directories. There is one such thread: one message covers many files. */

import type { RepositoryName } from "../../domain/repository-name.js";
import { batchesOf } from "../../lib/batches.js";
import { IdlePool } from "../../lib/idle-pool.js";
import type { CheckedFiles } from "./checked-files.js";
import type {
  CatalogPart,
  CatalogTask,
  EntriesPart,
  FailedLook,
  Measures,
  MeasureTask,
  SurveySetup,
  TagsPart,
  TagsTask,
} from "./survey-protocol.js";

export interface Measure {
  /** In bytes. */
  readonly size: number;
  readonly links: number;
  /** In milliseconds since the epoch. */
  readonly writtenAt: number;
}

/** Files per message: about a millisecond of work, for which other tasks wait. */
export const measuresMax = 512;
/** Tags per message: some milliseconds of work. */
export const tagLooksMax = 256;
/** Names per message: some milliseconds of work. */
const namesMax = 1_024;

const workerFile = new URL("../../../workers/survey/survey.js", import.meta.url);

export class Surveyor {
  readonly #pool: IdlePool;
  #walks = 0;

  constructor(
    readonly checkedFiles: CheckedFiles,
    onError: (error: unknown) => void,
  ) {
    const setup: SurveySetup = { root: checkedFiles.root };
    this.#pool = new IdlePool({ file: workerFile, threads: 1, setup, onError });
  }

  /** Yields names after `after` in ASCII order, on demand: first up to `atOnce`, then more at a time. */
  async *repositories(of: CatalogTask["of"], after: string, atOnce: number): AsyncIterable<RepositoryName> {
    let last: string | undefined = after;
    let walk: number | undefined;
    try {
      while (last !== undefined) {
        // A caller that continues after a page may see only few of the names, or needs them all.
        const partMax = walk === undefined ? Math.min(atOnce, namesMax) : namesMax;
        const task: CatalogTask = { of, after: last, namesMax: partMax, walk };
        const { names, more, failures } = (await this.#pool.run("catalog", task)) as CatalogPart;
        for (const failure of failures) this.#tell(failure);
        last = more ? names.at(-1) : undefined;
        yield* names;
        // A page usually is one part, so no walk is kept for what follows.
        walk ??= this.#walks++;
      }
    } finally {
      if (last !== undefined && walk !== undefined) await this.#pool.run("leave", walk);
    }
  }

  /** Measures up to `measuresMax` regular files in one directory, in their order; `undefined` for a missing one. */
  async measure(folder: string, files: readonly string[]): Promise<readonly (Measure | undefined)[]> {
    const task: MeasureTask = { folder, files };
    const measures = (await this.#pool.run("measure", task)) as Measures;
    return await Promise.all(
      files.map((file, index) => {
        const [size = 0, links = 0, writtenAt = 0] = measures.subarray(3 * index);
        if (Number.isNaN(size)) return this.#measureOdd(`${folder}/${file}`);
        return links === 0 ? undefined : { size, links, writtenAt };
      }),
    );
  }

  /** Yields the measures of existing files. */
  async *measures(folder: string, files: readonly string[]): AsyncIterable<Measure> {
    for (const batch of batchesOf(files, measuresMax))
      for (const measure of await this.measure(folder, batch)) if (measure !== undefined) yield measure;
  }

  async #measureOdd(path: string): Promise<Measure | undefined> {
    const found = await this.checkedFiles.passOverDamage(path, this.checkedFiles.file(path));
    return found && { size: found.size, links: found.nlink, writtenAt: found.mtimeMs };
  }

  /** Reads up to `tagLooksMax` tags in a directory, in their order; `undefined` for a missing one. */
  async lookAtTags(folder: string, tags: readonly string[]): Promise<TagsPart["looks"]> {
    const task: TagsTask = { folder, tags };
    const { looks, failures } = (await this.#pool.run("tags", task)) as TagsPart;
    for (const failure of failures) this.#tell(failure);
    return looks;
  }

  /** Reads the names of the entries in the histories of up to `tagLooksMax` tags in a directory, in their order. */
  async entryNames(folder: string, tags: readonly string[]): Promise<EntriesPart["names"]> {
    const task: TagsTask = { folder, tags };
    const { names, failures } = (await this.#pool.run("entries", task)) as EntriesPart;
    for (const failure of failures) this.#tell(failure);
    return names;
  }

  /** Reports a read error, which must not hide readable entries. */
  #tell({ path, code, message }: FailedLook): void {
    this.checkedFiles.nameDamage(path, Object.assign(new Error(message), { code }));
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
