/** Reads directories written by other programs: a missing file is absent, an unreadable one is an error. */
import { constants, type Dirent } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { atMost, SourceError } from "./source.js";

/** `O_NONBLOCK`, so that a named pipe does not block a thread. It has no effect on regular files. */
const readFlags = constants.O_RDONLY | constants.O_NONBLOCK;

/** Bytes of a blob per read. */
const readBytes = 1024 * 1024;

/** Returns the operation's result, or `undefined` if the file does not exist. */
async function ifThere<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw code === undefined ? error : new SourceError(message, { cause: error });
  }
}

export async function entriesOf(folder: string): Promise<Dirent[]> {
  return (await ifThere(readdir(folder, { withFileTypes: true }))) ?? [];
}

export async function isFolder(path: string): Promise<boolean> {
  return (await ifThere(stat(path)))?.isDirectory() ?? false;
}

/** Returns the size in bytes of a regular file, or `undefined` if there is none. */
export async function fileSize(path: string): Promise<number | undefined> {
  const found = await ifThere(stat(path));
  return found?.isFile() ? found.size : undefined;
}

/** Reads a small file, or returns `undefined` if there is none. Rejects if it is longer than `bytesMax`. */
export async function readSmall(path: string, bytesMax: number): Promise<Buffer | undefined> {
  const handle = await ifThere(open(path, readFlags));
  if (handle === undefined) return undefined;
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new SourceError(`${path} is not a file`);
    const { size } = found;
    if (size > bytesMax) throw new SourceError(`${path} has ${size} bytes, more than ${bytesMax}`);
    return await ifThere(handle.readFile());
  } finally {
    await handle.close();
  }
}

/** Passwords and certificates. */
const textBytesMax = 1024 * 1024;

/** Reads a file that must exist, such as one with a password. */
export async function demandText(path: string): Promise<string> {
  const bytes = await readSmall(path, textBytesMax);
  if (bytes === undefined) throw new SourceError(`${path} does not exist`);
  return bytes.toString();
}

/** Returns the bytes of a regular file. Rejects if it has more than `size`: another program is writing to it. */
export async function* readFileBytes(
  path: string,
  size: number,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  try {
    await using handle = await open(path, readFlags);
    if (!(await handle.stat()).isFile()) throw new SourceError(`${path} is not a file`);
    const bytes = handle.createReadStream({ highWaterMark: readBytes, autoClose: false, signal });
    yield* atMost(bytes, size, `${path} grew beyond ${size} bytes while it was read`);
  } catch (error) {
    if (signal.aborted || error instanceof SourceError) throw error;
    throw new SourceError((error as Error).message, { cause: error });
  }
}
