/**
 * A temporary file without a name. It has synchronous operations for a caller in a callback that must consume the bytes before
 * it returns.
 */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  openSync,
  read as readDescriptor,
  readSync,
  unlinkSync,
  write as writeDescriptor,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import type { ScratchFile } from "../lib/held-bytes.js";
import { storageFailure } from "./errors.js";

/** The end of the name that a scratch file has until it is opened. */
export const temporarySuffix = ".tmp";

const ownerOnly = 0o600;

const readInThread = promisify(readDescriptor);
const writeInThread = promisify(writeDescriptor);

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
      return orCutOff(read, into);
    },
    writeLater: async (bytes, position) => {
      let written = 0;
      while (written < bytes.length) {
        const rest = bytes.length - written;
        const done = writeInThread(descriptor, bytes, written, rest, position + written).catch(fail);
        written += (await done).bytesWritten;
      }
    },
    readLater: async (into, position) => {
      const done = await readInThread(descriptor, into, 0, into.length, position).catch(fail);
      return orCutOff(done.bytesRead, into);
    },
    close: () => closeSync(descriptor),
  };
}

/** A caller reads what it has written; one that got nothing would try again for ever. */
function orCutOff(read: number, into: Uint8Array): number {
  if (read === 0 && into.length > 0) throw storageFailure("EIO", new Error("a scratch file was cut off"));
  return read;
}

function orFailure<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    return fail(error);
  }
}

function fail(error: unknown): never {
  throw storageFailure((error as NodeJS.ErrnoException).code ?? "", error);
}
