/** Walks all contents in the order of their digests, and counts them again. */

import { algorithms, type Digest, encodedOf, isDigest } from "../../domain/digest.js";
import { batchesOf } from "../../lib/batches.js";
import type { Content } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import type { ContentTally, ContentWalk } from "./content-tally.js";
import type { Layout } from "./layout.js";
import { measuresMax, type Surveyor } from "./surveyor.js";

export interface LinkedContent extends Content {
  /** Links of the file, including its own name in `content/`: the number of repositories that have it is one less. */
  readonly links: number;
}

export class FileContents {
  constructor(
    readonly layout: Layout,
    readonly checkedFiles: CheckedFiles,
    readonly surveyor: Surveyor,
    readonly tally: ContentTally,
  ) {}

  /** Yields all contents. Keeps the previous count if `counted` is false, or if not all contents can be read. */
  async *all(counted: boolean): AsyncIterable<LinkedContent> {
    using walk = this.tally.walk();
    let unread = 0;
    const entries = async (folder: string) => {
      const found = await this.#sortedEntries(folder);
      if (found === undefined) unread++;
      return found ?? [];
    };
    for (const algorithm of algorithms.toSorted()) {
      const root = `${this.layout.contentRoot}/${algorithm}`;
      for (const folder of await entries(root)) {
        const hexes = await entries(`${root}/${folder}`);
        const digests = hexes.map((hex) => `${algorithm}:${hex}`).filter(isDigest);
        for (const batch of batchesOf(digests, measuresMax))
          yield* await this.#measure(walk, `${root}/${folder}`, batch);
      }
    }
    if (counted && unread === 0) walk.end();
  }

  /** Returns `undefined` if the directory cannot be read, which does not hide others. */
  async #sortedEntries(folder: string): Promise<string[] | undefined> {
    const listed = this.checkedFiles.entries(folder).then((found) => found ?? []);
    return (await this.checkedFiles.passOverDamage(folder, listed))?.sort();
  }

  /**
   * Measures again if one of them was added or removed meanwhile, because it is unknown whether the measurement includes it.
   */
  async #measure(walk: ContentWalk, folder: string, digests: readonly Digest[]): Promise<LinkedContent[]> {
    const files = digests.map(encodedOf);
    for (;;) {
      const watch = walk.watch(digests);
      const measures = await this.surveyor.measure(folder, files);
      if (watch.changed) continue;
      return digests.flatMap((digest, index) => {
        const measure = measures[index];
        if (measure === undefined) walk.skip(digest);
        else walk.pass(digest, measure.size);
        return measure === undefined ? [] : { digest, ...measure };
      });
    }
  }
}
