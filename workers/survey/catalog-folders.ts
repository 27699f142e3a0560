/**
 * The subfolders of a folder in the order of the catalog, which asks for the same folder again for each of its
 * pages: what a wide one holds is kept until the folder changes. Reading and sorting 100,000 names takes a fifth of
 * a second (docs/decisions/0024).
 */
import { type Dirent, statSync } from "node:fs";
import { LRUCache } from "lru-cache";
import { componentOf } from "../../src/storage/filesystem/layout.js";

/**
 * In a folder `c`, both the repository `c` itself and all those below it, `c/…`, have their place among the
 * siblings: `c` < `c-x` < `c/y` < `c0`. So each has two places, `c` and `c/`, and sorting these gives the order of
 * the whole names.
 */
export type Places = readonly string[];

interface Kept {
  readonly changedAt: bigint;
  readonly places: Places;
}

/** A folder with fewer is read anew as fast as it is looked at. */
const keptPlacesMin = 512;
/** Of all folders together, some 50 bytes each. */
const keptPlacesMax = 400_000;
/** Times of files may be no finer than a hundredth of a second, so what has just changed may change unseen. */
const settledMilliseconds = 1_000;

export class CatalogFolders {
  readonly #kept = new LRUCache<string, Kept>({
    maxSize: keptPlacesMax,
    sizeCalculation: ({ places }) => places.length,
  });

  constructor(readonly read: (folder: string) => readonly Dirent[]) {}

  places(folder: string): Places {
    const changedAt = statSync(folder, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
    const kept = this.#kept.get(folder);
    if (kept !== undefined && kept.changedAt === changedAt) return kept.places;
    const places = placesOf(this.read(folder));
    const settled = Date.now() - Number((changedAt ?? 0n) / 1_000_000n) > settledMilliseconds;
    if (changedAt !== undefined && settled && places.length >= keptPlacesMin)
      this.#kept.set(folder, { changedAt, places });
    return places;
  }
}

function placesOf(entries: readonly Dirent[]): Places {
  const places: string[] = [];
  for (const entry of entries) {
    const component = entry.isDirectory() ? componentOf(entry.name) : undefined;
    if (component !== undefined) places.push(component, `${component}/`);
  }
  return places.sort();
}
