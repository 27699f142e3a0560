/** The record of a session, as it is put on the disk before the first of its bytes. */
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
    // Another worker has written it before.
    if (code === "EEXIST") return;
    // Somebody has tidied up the folder of such files.
    if (code !== "ENOENT") throw error;
  }
  write(file, text);
}

/** Not by truncating it first: ext4 then writes the file to the disk when it is closed. */
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
