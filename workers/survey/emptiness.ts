/** Whether there is something in the folders of a repository; of a large one no more is read than it takes to tell. */
import { type Dirent, opendirSync } from "node:fs";

/**
 * `empty` where a repository's folder of manifests has nothing but the folders that each has, and perhaps those of
 * repositories below it; `between` where it has only the latter, and is no repository.
 */
export function emptiness(folder: string): "empty" | "between" | "used" {
  let own = false;
  let any = false;
  for (const entry of entriesOf(folder)) {
    any = true;
    if (!entry.isDirectory()) return "used";
    if (entry.name === "tags" && firstEntry(`${folder}/tags`) !== null) return "used";
    if (entry.name === "_referrers" && !hasEmptyFolders(`${folder}/_referrers`)) return "used";
    own ||= entry.name === "tags" || entry.name === "_referrers";
  }
  return own || !any ? "empty" : "between";
}

/** Whether the folder is not there, or holds folders at most. */
export function hasNoFiles(folder: string): boolean {
  try {
    for (const entry of entriesOf(folder)) if (!entry.isDirectory()) return false;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
}

/** `null` where the folder is empty. */
export function firstEntry(folder: string): Dirent | null {
  for (const entry of entriesOf(folder)) return entry;
  return null;
}

function hasEmptyFolders(folder: string): boolean {
  for (const entry of entriesOf(folder))
    if (!entry.isDirectory() || firstEntry(`${folder}/${entry.name}`) !== null) return false;
  return true;
}

function* entriesOf(folder: string): Iterable<Dirent> {
  const directory = opendirSync(folder);
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) yield entry;
  } finally {
    directory.closeSync();
  }
}
