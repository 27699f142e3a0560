/**
 * Links the file of a sealed upload to its names as a blob and removes the upload's own. The steps take microseconds each: done
 * here in sequence they cost one message, done from the main thread one round trip each.
 */
import { existsSync, linkSync, lstatSync, statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import type { UploadPlace } from "../../src/storage/filesystem/worker-protocol.js";

/** Errors that the caller handles: it finds out what is there already. */
const expected = new Set(["EEXIST", "ENOENT", "EMLINK"]);

/** Returns the size of the blob, or undefined if the links could not be made; the upload is unchanged then. */
export function placeUpload({ file, recordFile, content, blob, unchecked }: UploadPlace): number | undefined {
  if (!unchecked.every(isFolder)) return undefined;
  // The first push to a repository. Without this check others could find a content that is removed a moment later.
  if (!existsSync(dirname(blob)) || !linked(file, content)) return undefined;
  let done = false;
  try {
    done = linked(file, blob);
  } finally {
    if (!done) unlinkSync(content);
  }
  if (!done) return undefined;
  const { size } = statSync(file);
  // Remove the record before the bytes: a crash in between must not leave a session without bytes.
  if (recordFile !== undefined) unlinkSync(recordFile);
  // Remove it now: the link count tells whether the content is still in use.
  unlinkSync(file);
  return size;
}

/** Returns whether the path is a directory itself, not a symbolic link to one. */
function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function linked(file: string, name: string): boolean {
  try {
    linkSync(file, name);
    return true;
  } catch (error) {
    if (expected.has((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}
