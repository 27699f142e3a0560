/** Reads the targets and times of many tags, from their pointers only, and the names of the entries in their histories. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readSync } from "node:fs";
import { parseEntryName } from "../../src/storage/entry-name.js";
import { pointerFile, pulledFile } from "../../src/storage/filesystem/layout.js";
import type {
  EntriesPart,
  FailedLook,
  TagLook,
  TagsPart,
  TagsTask,
} from "../../src/storage/filesystem/survey-protocol.js";

const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** The longest digest has 135 characters; a longer pointer is invalid, and is not read completely. */
const pointer = Buffer.alloc(256);

export function lookAtTags({ folder, tags }: TagsTask): TagsPart {
  const failures: FailedLook[] = [];
  const looks = tags.map((tag) => {
    const path = `${folder}/${tag}`;
    try {
      return lookAt(path);
    } catch (error) {
      const { code = "UNKNOWN", message } = error as NodeJS.ErrnoException;
      failures.push({ path, code, message });
      return { pointer: "" };
    }
  });
  return { looks, failures };
}

export function entryNames({ folder, tags }: TagsTask): EntriesPart {
  const failures: FailedLook[] = [];
  const names = tags.map((tag) => {
    const path = `${folder}/${tag}`;
    try {
      if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
      return readdirSync(path).filter((name) => parseEntryName(name) !== undefined);
    } catch (error) {
      const { code = "UNKNOWN", message } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") failures.push({ path, code, message });
      return [];
    }
  });
  return { names, failures };
}

/** Returns `undefined` if there is no such tag. Throws system errors, or an error if another kind of object is there. */
function lookAt(path: string): TagLook | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (!found.isDirectory()) throw wrongKind(path, found.isSymbolicLink() ? "ELOOP" : "ENOTDIR");
  const pulled = lstatSync(`${path}/${pulledFile}`, { throwIfNoEntry: false });
  if (pulled !== undefined && !pulled.isFile()) throw wrongKind(path, "ELOOP");
  const descriptor = openPointer(path);
  if (descriptor === undefined) return undefined;
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw wrongKind(path, "ENXIO");
    const length = readSync(descriptor, pointer, 0, pointer.length, 0);
    const times = { pushedAt: stats.mtimeMs, ...(pulled && { pulledAt: pulled.mtimeMs }) };
    return { pointer: pointer.toString("latin1", 0, length), ...times };
  } finally {
    closeSync(descriptor);
  }
}

/** Returns `undefined` if the tag was removed meanwhile; a tag without a pointer is damaged. */
function openPointer(path: string): number | undefined {
  try {
    return openSync(`${path}/${pointerFile}`, readFlags);
  } catch (error) {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    throw error;
  }
}

function wrongKind(path: string, code: string): Error {
  return Object.assign(new Error(`${path} is not a tag`), { code });
}
