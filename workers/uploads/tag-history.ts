/** The steps that change the history of a tag: empty files, each of whose names is an entry. */
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { keptEntries, type TagEntry } from "../../src/domain/tag-history.js";
import { entriesAmong, entryName, type NamedEntry } from "../../src/storage/entry-name.js";
import type { KeepHistory, MovePointer } from "../../src/storage/filesystem/file-steps.js";
import { pointerFile } from "../../src/storage/filesystem/layout.js";

/** The entry comes before the pointer: if there is no room for it, the tag does not move. */
export function movePointer({ from, folder, current, entry, bounds }: MovePointer): void {
  const pointer = `${folder}/${pointerFile}`;
  const entries = entriesAmong(readdirSync(folder));
  const [newest] = entries;
  // The tag was pointed when no history was kept.
  if (current !== undefined && !(newest?.kind === "pointed" && newest.digest === current))
    add(folder, entries, { kind: "pointed", digest: current, at: lstatSync(pointer).mtimeMs });
  const added = add(folder, entries, entry);
  try {
    renameSync(from, pointer);
  } catch (error) {
    rmSync(`${folder}/${added.name}`, { force: true });
    throw error;
  }
  const kept = new Set(keptEntries(entries, bounds, entry.at));
  for (const old of entries) if (!kept.has(old)) rmSync(`${folder}/${old.name}`, { force: true });
}

export function keepHistory({ from, to, entry, bounds }: KeepHistory): void {
  makeFolder(to);
  const there = new Set(readdirSync(to));
  const entries = entriesAmong(new Set([...there, ...namesIn(from)]));
  there.add(add(to, entries, entry).name);
  const kept = new Set(keptEntries(entries, bounds, entry.at));
  for (const one of entries) {
    if (!kept.has(one)) rmSync(`${to}/${one.name}`, { force: true });
    else if (!there.has(one.name)) mark(`${to}/${one.name}`);
  }
}

/** Creates an empty file that does not exist yet. */
export function mark(file: string): void {
  closeSync(openSync(file, "wx"));
}

/** Adds the entry before the others, of which none is newer. */
function add(folder: string, entries: NamedEntry[], entry: TagEntry): NamedEntry {
  const at = Math.max(entry.at, (entries[0]?.at ?? 0) + 1);
  const added = { ...entry, at, name: entryName({ ...entry, at }) };
  mark(`${folder}/${added.name}`);
  entries.unshift(added);
  return added;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (lstatSync(folder).isDirectory()) return;
    throw Object.assign(new Error(`${folder} is not a folder`), { code: "ENOTDIR" });
  }
}

/** Returns nothing if something else is in the place of the folder. */
function namesIn(folder: string): string[] {
  return lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(folder) : [];
}
