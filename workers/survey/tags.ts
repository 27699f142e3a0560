/** What many tags point to and when they were used: only their pointers are read. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { pointerFile, pulledFile } from "../../src/storage/filesystem/layout.js";
import type {
  FailedLook,
  TagLook,
  TagsPart,
  TagsTask,
} from "../../src/storage/filesystem/survey-protocol.js";

const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** The longest digest has 135 characters; what is longer is none, and is not read whole. */
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

/** `undefined` where there is no such tag. Throws what the system says, or that something else is there. */
function lookAt(path: string): TagLook | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (!found.isDirectory()) throw odd(path, found.isSymbolicLink() ? "ELOOP" : "ENOTDIR");
  const pulled = lstatSync(`${path}/${pulledFile}`, { throwIfNoEntry: false });
  if (pulled !== undefined && !pulled.isFile()) throw odd(path, "ELOOP");
  const descriptor = openPointer(path);
  if (descriptor === undefined) return undefined;
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw odd(path, "ENXIO");
    const length = readSync(descriptor, pointer, 0, pointer.length, 0);
    const times = { pushedAt: stats.mtimeMs, ...(pulled && { pulledAt: pulled.mtimeMs }) };
    return { pointer: pointer.toString("latin1", 0, length), ...times };
  } finally {
    closeSync(descriptor);
  }
}

/** `undefined` where the tag has gone meanwhile; a tag without a pointer is damaged. */
function openPointer(path: string): number | undefined {
  try {
    return openSync(`${path}/${pointerFile}`, readFlags);
  } catch (error) {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    throw error;
  }
}

function odd(path: string, code: string): Error {
  return Object.assign(new Error(`${path} is something else`), { code });
}
