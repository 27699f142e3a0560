/** The steps that change the history of a tag: empty files, each of whose names is an entry. */
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { keptEntries, type TagEntry } from "../../src/domain/tag-history.js";
import { entriesAmong, entryName, type NamedEntry } from "../../src/storage/entry-name.js";
import type { KeepHistory, MovePointer } from "../../src/storage/filesystem/file-steps.js";
import type { JournalOperation } from "../../src/storage/filesystem/journal/record.js";
import { pointerFile } from "../../src/storage/filesystem/layout.js";

/** The entry comes before the pointer: if there is no room for it, the tag does not move. */
export function movePointer(step: MovePointer): void {
  const { folder, from } = step;
  const { added, dropped } = entriesOfMove(step);
  for (const name of added) mark(`${folder}/${name}`);
  try {
    renameSync(from, `${folder}/${pointerFile}`);
  } catch (error) {
    for (const name of added.slice(-1)) rmSync(`${folder}/${name}`, { force: true });
    throw error;
  }
  for (const name of dropped) rmSync(`${folder}/${name}`, { force: true });
}

/** Returns the changes of entries that the step will make in `folder`, as operations of the journal. */
export function planMove(step: MovePointer, folder: string): JournalOperation[] {
  const { added, dropped } = entriesOfMove(step);
  return [
    ...added.map((name) => ({ do: "mark" as const, path: `${folder}/${name}` })),
    ...dropped.map((name) => ({ do: "remove" as const, path: `${folder}/${name}` })),
  ];
}

/** Returns the names of the entries to add, the newest last, and of those beyond the bounds. Changes nothing. */
function entriesOfMove({ folder, current, entry, bounds }: MovePointer): {
  added: string[];
  dropped: string[];
} {
  const entries = entriesAmong(readdirSync(folder));
  const [newest] = entries;
  const added: string[] = [];
  // The tag was pointed when no history was kept.
  if (current !== undefined && !(newest?.kind === "pointed" && newest.digest === current)) {
    const at = lstatSync(`${folder}/${pointerFile}`).mtimeMs;
    added.push(insert(entries, { kind: "pointed", digest: current, at }).name);
  }
  added.push(insert(entries, entry).name);
  const kept = new Set(keptEntries(entries, bounds, entry.at));
  const dropped = entries.filter((one) => !kept.has(one)).map(({ name }) => name);
  return { added: added.filter((name) => !dropped.includes(name)), dropped };
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
  const added = insert(entries, entry);
  mark(`${folder}/${added.name}`);
  return added;
}

function insert(entries: NamedEntry[], entry: TagEntry): NamedEntry {
  const at = Math.max(entry.at, (entries[0]?.at ?? 0) + 1);
  const added = { ...entry, at, name: entryName({ ...entry, at }) };
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
