/** Creates a folder and its missing parents. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Creates the missing folders of an absolute path, and returns the first one that it created, if any. Node's recursive mkdir
 * loops for ever if the kernel answers ENOENT although the parent exists, as in /proc; this one rejects.
 */
export async function makeFolders(path: string, mode?: number): Promise<string | undefined> {
  try {
    return (await makeFolder(path, mode)) ? path : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) throw error;
  }
  const first = await makeFolders(dirname(path), mode);
  return (await makeFolder(path, mode)) ? (first ?? path) : first;
}

/** Returns false if it exists. */
async function makeFolder(path: string, mode: number | undefined): Promise<boolean> {
  try {
    await mkdir(path, mode);
    return true;
  } catch (error) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) return false;
    throw error;
  }
}
