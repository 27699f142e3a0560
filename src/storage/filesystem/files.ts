/** Small file operations with the guarantees that the stores need. */
import { randomUUID } from "node:crypto";
import { copyFile, link, lstat, open, readdir, rename, rmdir, stat, unlink } from "node:fs/promises";
import type { Syncs } from "./syncs.js";

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** Returns the operation's result, or `undefined` if the file, or a directory above it, does not exist. */
export async function ifThere<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Removes a file, and returns whether it existed. */
export async function removeIfThere(path: string): Promise<boolean> {
  return (await ifThere(unlink(path).then(() => true))) ?? false;
}

/** Removes an empty directory; the next user creates it again. */
export async function removeIfEmpty(folder: string): Promise<void> {
  await ifThere(rmdir(folder)).catch((error: unknown) => {
    if (errorCode(error) !== "ENOTEMPTY") throw error;
  });
}

/** Yields all directories below `folder`. An unreadable one counts as empty. */
export async function* foldersBelow(folder: string): AsyncIterable<string> {
  for (const entry of (await ifThere(readdir(folder, { withFileTypes: true }))) ?? []) {
    if (!entry.isDirectory()) continue;
    yield `${folder}/${entry.name}`;
    yield* foldersBelow(`${folder}/${entry.name}`);
  }
}

/** Writes a new file whose bytes are on stable storage when this resolves. The name is not: sync the directory. */
export async function writeDurably(
  path: string,
  bytes: Uint8Array | string,
  syncs: Syncs,
  mode = 0o666,
): Promise<void> {
  const handle = await open(path, "wx", mode);
  try {
    await handle.writeFile(bytes);
    await syncs.file(handle);
  } catch (error) {
    await unlink(path).catch(() => {});
    throw error;
  } finally {
    await handle.close();
  }
}

/** Renames a complete file into place. Its bytes are on stable storage when this resolves; sync the directory. */
export async function putDurably(
  path: string,
  bytes: Uint8Array | string,
  temporary: string,
  syncs: Syncs,
  mode?: number,
): Promise<void> {
  await writeDurably(temporary, bytes, syncs, mode);
  try {
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

/** Copies to a new file whose bytes are on stable storage when this resolves. */
export async function copyDurably(from: string, to: string, syncs: Syncs): Promise<void> {
  try {
    await copyFile(from, to);
    await syncs.fileAt(to);
  } catch (error) {
    await unlink(to).catch(() => {});
    throw error;
  }
}

/** Replaces `to` by a link to `from`, atomically for every reader. */
export async function linkOver(from: string, to: string, temporary: string): Promise<void> {
  await link(from, temporary);
  try {
    await rename(temporary, to);
  } finally {
    // Renaming one link onto another of the same inode does nothing and leaves both.
    await removeIfThere(temporary);
  }
}

/** Compares the links themselves: a symbolic link is not the file that it points to. */
export async function sameInode(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([lstat(a, { bigint: true }), lstat(b, { bigint: true })]);
  return first.ino === second.ino && first.dev === second.dev;
}

/** Returns whether the file system has hard links, tested at start rather than at the first push. */
export async function supportsHardLinks(directory: string): Promise<boolean> {
  const probe = `${directory}/${randomUUID()}.tmp`;
  const second = `${probe}.tmp`;
  await (await open(probe, "wx")).close();
  try {
    await link(probe, second);
    return (await stat(second)).nlink === 2;
  } catch (error) {
    const code = errorCode(error);
    if (
      code === "EPERM" ||
      code === "ENOTSUP" ||
      code === "EOPNOTSUPP" ||
      code === "ENOSYS" ||
      code === "EMLINK"
    ) {
      return false;
    }
    throw error;
  } finally {
    await removeIfThere(second);
    await removeIfThere(probe);
  }
}
