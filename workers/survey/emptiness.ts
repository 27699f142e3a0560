/** Tells whether the folders of a repository are empty, reading no more entries than necessary. */
import { type Dirent, opendirSync } from "node:fs";
import { historyFolder } from "../../src/storage/filesystem/layout.js";

/**
 * Returns `empty` if a repository's manifest directory contains only the directories that each has, and perhaps those of
 * nested repositories; `between` if it contains only the latter and is no repository.
 */
export function emptiness(folder: string): "empty" | "between" | "used" {
  let own = false;
  let any = false;
  for (const entry of entriesOf(folder)) {
    any = true;
    if (!entry.isDirectory()) return "used";
    if (entry.name === "tags" && !hasNoTags(`${folder}/tags`)) return "used";
    if (entry.name === "_referrers" && !hasEmptyFolders(`${folder}/_referrers`)) return "used";
    own ||= entry.name === "tags" || entry.name === "_referrers";
  }
  return own || !any ? "empty" : "between";
}

/** Returns whether the folder is missing or contains only folders. */
export function hasNoFiles(folder: string): boolean {
  try {
    for (const entry of entriesOf(folder)) if (!entry.isDirectory()) return false;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
}

/** Null if the folder is empty. */
export function firstEntry(folder: string): Dirent | null {
  for (const entry of entriesOf(folder)) return entry;
  return null;
}

/** The history of removed tags does not count. */
function hasNoTags(folder: string): boolean {
  for (const { name } of entriesOf(folder)) if (name !== historyFolder) return false;
  return true;
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
