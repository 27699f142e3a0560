/**
 * Lists the subfolders of a folder in catalog order. The catalog reads the same folder again for each page, so the list of a
 * large folder is cached until the folder changes: reading and sorting 100,000 names takes 0.2 s (docs/decisions/0024).
 */
import { type Dirent, statSync } from "node:fs";
import { LRUCache } from "lru-cache";
import { componentOf } from "../../src/storage/filesystem/layout.js";

/**
 * A folder `c` stands for the repository `c` and for all repositories below it, `c/…`, which sort differently among the
 * siblings: `c` < `c-x` < `c/y` < `c0`. So each folder has two entries, `c` and `c/`, and sorting them gives the order of
 * whole names.
 */
export type Places = readonly string[];

interface Kept {
  readonly changedAt: bigint;
  readonly places: Places;
}

/** Smaller folders are read as fast as they are checked. */
const keptPlacesMin = 512;
/** Entries of all cached folders, about 50 bytes each. */
const keptPlacesMax = 400_000;
/** File times may have a resolution of 10 ms, so a further change right after a change could go unnoticed. */
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
