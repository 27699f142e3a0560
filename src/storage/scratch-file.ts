/**
 * A temporary file without a name. Its operations are synchronous, because the caller is in a callback that must consume the
 * bytes before it returns.
 */
import { randomUUID } from "node:crypto";
import { closeSync, constants, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import type { ScratchFile } from "../lib/held-bytes.js";
import { storageFailure } from "./errors.js";

/** The end of the name that a scratch file has until it is opened. */
export const temporarySuffix = ".tmp";

const ownerOnly = 0o600;

/** Throws `storage-full`, `storage-read-only` or `storage-failed`, and so do the methods of the file. */
export function openScratchFile(folder: string): ScratchFile {
  const descriptor = orFailure(() => {
    // The suffix makes the next start remove it if the process ends between the two calls.
    const path = `${folder}/${randomUUID()}${temporarySuffix}`;
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const opened = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, ownerOnly);
    try {
      unlinkSync(path);
    } catch (error) {
      closeSync(opened);
      throw error;
    }
    return opened;
  });
  return {
    write: (bytes, position) =>
      orFailure(() => {
        let written = 0;
        while (written < bytes.length)
          written += writeSync(descriptor, bytes, written, bytes.length - written, position + written);
      }),
    read: (into, position) => {
      const read = orFailure(() => readSync(descriptor, into, 0, into.length, position));
      // A caller reads what it has written; one that got nothing would try again for ever.
      if (read === 0 && into.length > 0) throw storageFailure("EIO", new Error("a scratch file was cut off"));
      return read;
    },
    close: () => closeSync(descriptor),
  };
}

function orFailure<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw storageFailure((error as NodeJS.ErrnoException).code ?? "", error);
  }
}
