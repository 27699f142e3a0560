/** A walk over all contents, in the order of their digests, by which they are counted anew. */

import { algorithms, type Digest, encodedOf, isDigest } from "../../domain/digest.js";
import { batchesOf } from "../../lib/batches.js";
import type { Content } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import type { ContentTally, ContentWalk } from "./content-tally.js";
import type { Layout } from "./layout.js";
import { measuresMax, type Surveyor } from "./surveyor.js";

export interface LinkedContent extends Content {
  /** Names of the file, its own in `content/` included: the number of repositories that have it is one less. */
  readonly links: number;
}

export class FileContents {
  constructor(
    readonly layout: Layout,
    readonly checkedFiles: CheckedFiles,
    readonly surveyor: Surveyor,
    readonly tally: ContentTally,
  ) {}

  /** Where they are not `counted`, or cannot all be read, what is known of their number stays as it is. */
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

  /** `undefined` where the disk does not tell: that hides no other folder. */
  async #sortedEntries(folder: string): Promise<string[] | undefined> {
    const listed = this.checkedFiles.entries(folder).then((found) => found ?? []);
    return (await this.checkedFiles.passOverDamage(folder, listed))?.sort();
  }

  /** Again where one of them has come or gone meanwhile: whether it was measured by then is not known. */
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
