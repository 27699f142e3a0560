/**
 * Takes a file from outside of the store over without changing it: as one more link to it, else as a copy
 * that shares its blocks, else as a copy.
 */
import { constants, copyFile, link, open } from "node:fs/promises";
import type { Adoption } from "../storage.js";
import { copyDurably, errorCode } from "./files.js";
import type { Durability } from "./sync.js";

/**
 * Another file system, one that has no such thing, a file that has as many links as it may have, or one that
 * this user may not link to (`fs.protected_hardlinks`).
 */
const cannot = new Set(["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "ENOTTY", "EINVAL"]);

export interface TakeoverOptions {
  readonly hardLinks: boolean;
  readonly durability: Durability;
}

/** Makes `to` a file with the bytes of `from`, which are on stable storage when this resolves. */
export async function takeOver(from: string, to: string, options: TakeoverOptions): Promise<Adoption> {
  const { hardLinks, durability } = options;
  if (hardLinks && (await isDone(link(from, to)))) {
    if (durability === "full") await syncData(to);
    return "linked";
  }
  if (await isDone(copyFile(from, to, constants.COPYFILE_FICLONE_FORCE))) {
    if (durability === "full") await syncData(to);
    return "cloned";
  }
  await copyDurably(from, to, durability);
  return "copied";
}

async function isDone(operation: Promise<void>): Promise<boolean> {
  try {
    await operation;
    return true;
  } catch (error) {
    if (cannot.has(errorCode(error) ?? "")) return false;
    throw error;
  }
}

/** Whoever wrote it need not have synced it. What is on the disk already costs next to nothing. */
async function syncData(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}
