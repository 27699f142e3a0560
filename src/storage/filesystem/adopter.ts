/**
 * Adopts an outside file without changing it: as a hard link, otherwise as a copy that shares its blocks, otherwise as a
 * copy.
 */
import { constants, copyFile, link, lstat } from "node:fs/promises";
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { noSpans } from "../../lib/spans.js";
import type { Adopted, Adopter, Adoption, Outside } from "../outside.js";
import type { FileBlobs } from "./blobs.js";
import { copyDurably, errorCode, ifThere, removeIfThere } from "./files.js";

/**
 * Another file system; one without this feature; a file with the maximum number of links; or one to which this user may not
 * link (`fs.protected_hardlinks`).
 */
const cannot = new Set(["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "ENOTTY", "EINVAL"]);

/** Error codes for a file that this user may not read, or that the disk has lost. */
const unreadable = new Set(["EACCES", "EIO"]);

export class FileAdopter implements Adopter {
  constructor(readonly blobs: FileBlobs) {}

  async adopt(
    outside: Outside,
    name: RepositoryName,
    digest: Digest,
    check: boolean,
  ): Promise<Adopted | undefined> {
    if (!("file" in outside)) return undefined;
    const { blobs } = this;
    // A link to a symbolic link would later lead wherever that points by then.
    const found = await ifThere(lstat(outside.file));
    if (!found?.isFile()) return undefined;
    const temporary = blobs.layout.temporary();
    try {
      const content = await ifThere(lstat(blobs.layout.content(digest)));
      const differs = content !== undefined && content.size !== found.size;
      const taken = await this.#take(outside.file, temporary, digest, check || differs);
      if (taken === undefined) return undefined;
      const { checked } = taken;
      const files = { file: temporary };
      const place = checked ? blobs.placeFor(files, name, digest) : undefined;
      const placedBytes = place && (await blobs.workers.place(place));
      const state = { checked, placedBytes, isJournaled: false };
      return { ...taken, healed: await blobs.commit(files, name, digest, state, noSpans) };
    } finally {
      await removeIfThere(temporary);
    }
  }

  /**
   * Returns `undefined` if the bytes cannot be read: the caller then reads them itself and reports why, and that the fault
   * is not the store's.
   */
  async #take(
    file: string,
    temporary: string,
    digest: Digest,
    check: boolean,
  ): Promise<Pick<Adopted, "how" | "checked"> | undefined> {
    try {
      const how = await this.#linkOrCopy(file, temporary);
      const checked = check || how === "copied";
      if (checked) await this.blobs.integrity.demand(temporary, digest);
      return { how, checked };
    } catch (error) {
      const cause = error instanceof RegistryError ? error.cause : error;
      if (unreadable.has(errorCode(cause) ?? "")) return undefined;
      throw error;
    }
  }

  /**
   * Makes `to` a file with the bytes of `from`, which are on stable storage when this resolves: the program that wrote them
   * need not have synced them, and syncing bytes that are already on the disk costs next to nothing.
   */
  async #linkOrCopy(from: string, to: string): Promise<Adoption> {
    const { hardLinks, directories } = this.blobs;
    if (hardLinks && (await isDone(link(from, to)))) {
      await directories.syncs.fileAt(to);
      return "linked";
    }
    if (await isDone(copyFile(from, to, constants.COPYFILE_FICLONE_FORCE))) {
      await directories.syncs.fileAt(to);
      return "cloned";
    }
    await copyDurably(from, to, directories.syncs);
    return "copied";
  }
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
