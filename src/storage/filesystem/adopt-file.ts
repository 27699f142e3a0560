/**
 * Adopts an outside file without changing it: as a hard link, otherwise as a copy that shares its blocks, otherwise as a
 * copy.
 */
import { constants, copyFile, link } from "node:fs/promises";
import type { Adoption } from "../outside.js";
import { copyDurably, errorCode } from "./files.js";
import type { Syncs } from "./syncs.js";

/**
 * Another file system; one without this feature; a file with the maximum number of links; or one to which this user may not
 * link (`fs.protected_hardlinks`).
 */
const cannot = new Set(["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "ENOTTY", "EINVAL"]);

export interface TakeoverOptions {
  readonly hardLinks: boolean;
  readonly syncs: Syncs;
}

/**
 * Makes `to` a file with the bytes of `from`, which are on stable storage when this resolves: the program that wrote them
 * need not have synced them, and syncing bytes that are already on the disk costs next to nothing.
 */
export async function adoptFile(from: string, to: string, options: TakeoverOptions): Promise<Adoption> {
  const { hardLinks, syncs } = options;
  if (hardLinks && (await isDone(link(from, to)))) {
    await syncs.fileAt(to);
    return "linked";
  }
  if (await isDone(copyFile(from, to, constants.COPYFILE_FICLONE_FORCE))) {
    await syncs.fileAt(to);
    return "cloned";
  }
  await copyDurably(from, to, syncs);
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
