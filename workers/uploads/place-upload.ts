/**
 * Gives the file of a sealed upload the names by which it is a blob, and takes its own away. Some steps of a few
 * microseconds each: one after the other here they cost one message, each by itself a way to another thread.
 */
import { existsSync, linkSync, statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import type { UploadPlace } from "../../src/storage/filesystem/worker-protocol.js";

/** What is there already, or is not, is for whoever has asked to look at. */
const expected = new Set(["EEXIST", "ENOENT", "EMLINK"]);

/** The bytes of the blob; `undefined` where it is none, and the upload is as it was. */
export function placeUpload({ file, recordFile, content, blob }: UploadPlace): number | undefined {
  // The first push to a repository: else others would find a content that is taken back a moment later.
  if (!existsSync(dirname(blob)) || !linked(file, content)) return undefined;
  let done = false;
  try {
    done = linked(file, blob);
  } finally {
    if (!done) unlinkSync(content);
  }
  if (!done) return undefined;
  const { size } = statSync(file);
  // Before its bytes: a crash in between must not leave a session that has none.
  if (recordFile !== undefined) unlinkSync(recordFile);
  // Now, not later: the link count tells who still needs the content.
  unlinkSync(file);
  return size;
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
