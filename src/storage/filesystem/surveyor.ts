/** The client of the thread that looks through the store's folders, of which there is one: many looks for one message. */

import type { RepositoryName } from "../../domain/repository-name.js";
import { batchesOf } from "../../lib/batches.js";
import { IdlePool } from "../../lib/idle-pool.js";
import type { CheckedFiles } from "./checked-files.js";
import type {
  CatalogPart,
  CatalogTask,
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

/** Files that are measured in one go: a millisecond's work, behind which others wait. */
export const measuresMax = 512;
/** Tags that are looked at in one go: some milliseconds' work. */
export const tagLooksMax = 256;
/** Names in one go: some milliseconds' work. */
const namesMax = 1_024;

/**
 * More than there can ever be, for each is a request's or a command's: the thread goes on without asking, and piscina
 * lets a later task pass one that it could not place.
 */
const tasksMax = 1_000_000;

const workerFile = new URL("../../../workers/survey/survey.js", import.meta.url);

export class Surveyor {
  readonly #pool: IdlePool;
  #walks = 0;

  constructor(
    readonly checkedFiles: CheckedFiles,
    onError: (error: unknown) => void,
  ) {
    const setup: SurveySetup = { root: checkedFiles.root };
    this.#pool = new IdlePool({ file: workerFile, threads: 1, tasksPerThread: tasksMax, setup, onError });
  }

  /** In ASCII order from behind `after` on, looked for as they are asked for: up to `atOnce`, then more at a time. */
  async *repositories(of: CatalogTask["of"], after: string, atOnce: number): AsyncIterable<RepositoryName> {
    let last: string | undefined = after;
    let walk: number | undefined;
    try {
      while (last !== undefined) {
        // Who goes on behind a page is shown few of the names, or wants them all.
        const partMax = walk === undefined ? Math.min(atOnce, namesMax) : namesMax;
        const task: CatalogTask = { of, after: last, namesMax: partMax, walk };
        const { names, more, failures } = (await this.#pool.run("catalog", task)) as CatalogPart;
        for (const failure of failures) this.#tell(failure);
        last = more ? names.at(-1) : undefined;
        yield* names;
        // A page is one part, in most cases: nothing is kept for what comes behind it.
        walk ??= this.#walks++;
      }
    } finally {
      if (last !== undefined && walk !== undefined) await this.#pool.run("leave", walk);
    }
  }

  /** Of regular files in one folder, in their order; `undefined` where there is none. At most `measuresMax`. */
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

  /** Of those of the files that are there. */
  async *measures(folder: string, files: readonly string[]): AsyncIterable<Measure> {
    for (const batch of batchesOf(files, measuresMax))
      for (const measure of await this.measure(folder, batch)) if (measure !== undefined) yield measure;
  }

  async #measureOdd(path: string): Promise<Measure | undefined> {
    const found = await this.checkedFiles.passOverDamage(path, this.checkedFiles.file(path));
    return found && { size: found.size, links: found.nlink, writtenAt: found.mtimeMs };
  }

  /** What there is of the tags in a folder, in their order; `undefined` for one that is not there. At most `tagLooksMax`. */
  async lookAtTags(folder: string, tags: readonly string[]): Promise<TagsPart["looks"]> {
    const task: TagsTask = { folder, tags };
    const { looks, failures } = (await this.#pool.run("tags", task)) as TagsPart;
    for (const failure of failures) this.#tell(failure);
    return looks;
  }

  /** What cannot be read must not hide what can. */
  #tell({ path, code, message }: FailedLook): void {
    this.checkedFiles.nameDamage(path, Object.assign(new Error(message), { code }));
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
