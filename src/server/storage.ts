/** Opens the storage that the settings name: a folder or a bucket. Part of the composition root. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { openUploadsPerWorker } from "../lib/connection-limits.js";
import type { SlabPool } from "../lib/slab-pool.js";
import type { Services } from "../registry/services.js";
import { openFilesystemStorage } from "../storage/filesystem/open.js";
import { descriptorsMax } from "./connections.js";
import { distributionPath, distributionWarning } from "./foreign-content.js";
import type { OpenedStorage, Opening, OpenOptions } from "./opening.js";

const mebibyte = 1024 * 1024;

/** Rejects if the folder or bucket cannot be used. */
export function openStorage(
  opening: Opening,
  slabs: SlabPool,
  options: OpenOptions,
  onStray: Services["onStray"],
): Promise<OpenedStorage> {
  const { s3 } = opening.config.storage;
  if (s3 === undefined) return openFolder(opening, slabs, options, onStray);
  // The driver's packages are loaded only if they are used.
  return import("./s3-storage.js").then(({ openBucket }) => openBucket(opening, s3, slabs, options, onStray));
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function openFolder(
  { config, log, closers, group }: Opening,
  slabs: SlabPool,
  { serving, create }: OpenOptions,
  onStray: Services["onStray"],
): Promise<OpenedStorage> {
  const { rootdirectory, durability, journal, checkpoint } = config.storage.filesystem;
  const storage = await openFilesystemStorage({
    rootDirectory: rootdirectory,
    durability,
    // An operator's command is done when it ends, and leaves no record.
    journal: journal && serving,
    checkpointSeconds: checkpoint,
    onReplaying: ({ done, records }) =>
      log.info({ done, records }, "completing the changes that a crash has left in the journal"),
    onReplayed: ({ records, milliseconds }) =>
      log.info(
        { records, milliseconds: Math.round(milliseconds) },
        "changes that a crash had left in the journal were completed",
      ),
    slabs,
    threads: config.uploads.workers,
    cachedBytes: config.uploads.cachedmib * mebibyte,
    openUploadsMax: openUploadsPerWorker(await descriptorsMax(), config.uploads.workers),
    taskSecondsMax: config.uploads.tasktimeout,
    onStray,
    onError: (error, message) => log.error({ err: error }, message),
    create,
    peers: group?.storePeers,
  });
  closers.add("storage", () => storage.close());
  const warnings: string[] = [];
  if (!storage.hardLinks)
    warnings.push("this file system has no hard links; each repository stores its own copy of a shared blob");
  if (!storage.locked && !storage.readOnly)
    warnings.push(
      "without the flock program, nothing keeps a second server from opening this store; install util-linux",
    );
  const { root } = storage.layout;
  if (serving && (await isFolder(join(root, distributionPath)))) warnings.push(distributionWarning(root));
  if (storage.readOnly) warnings.push("this file system is read-only; clients can only pull");
  return { storage, place: root, warnings, lockDescriptor: storage.lockDescriptor };
}
