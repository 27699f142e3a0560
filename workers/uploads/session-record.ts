/** Writes the record of a session before its first bytes. */
import { closeSync, constants, fstatSync, ftruncateSync, linkSync, openSync, writeFileSync } from "node:fs";
import type { UploadRecordFiles } from "../../src/storage/filesystem/worker-protocol.js";

export function putRecord({ file, text, linkedFile }: UploadRecordFiles): void {
  try {
    if (linkedFile !== undefined) {
      write(linkedFile, text);
      linkSync(linkedFile, file);
      return;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another worker has already written it.
    if (code === "EEXIST") return;
    // The folder of these files was removed by hand.
    if (code !== "ENOENT") throw error;
  }
  write(file, text);
}

/** Does not truncate the file first: ext4 would then flush it to the disk on close. */
function write(file: string, record: string): void {
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW);
  try {
    writeFileSync(descriptor, record);
    const length = Buffer.byteLength(record);
    if (fstatSync(descriptor).size > length) ftruncateSync(descriptor, length);
  } finally {
    closeSync(descriptor);
  }
}
