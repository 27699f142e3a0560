/** Opens a store on a local file system: the folders, what the file system can do, and the parts on top. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { RegistryError } from "../../domain/errors.js";
import { isSessionId } from "../../domain/session-id.js";
import type { Storage } from "../storage.js";
import { type DigestFile, FileBlobs } from "./blobs.js";
import { errorCode, ifThere, supportsHardLinks } from "./files.js";
import { Layout, temporarySuffix } from "./layout.js";
import { lockStore, type StoreLock } from "./lock.js";
import { FileManifests } from "./manifests.js";
import { FileNotes } from "./notes.js";
import { FileReferrers } from "./referrers.js";
import { FileRepositories } from "./repositories.js";
import { Directories, type Durability } from "./sync.js";
import { FileTags } from "./tags.js";
import { FileUploads, sessionOf } from "./uploads.js";

export interface FilesystemOptions {
  readonly rootDirectory: string;
  readonly durability: Durability;
  readonly digestFile: DigestFile;
}

export interface FilesystemStorage extends Storage {
  readonly layout: Layout;
  /** Whether other servers are kept out; not where the system has no `flock`. */
  readonly locked: boolean;
  /** Whether content is shared between repositories by hard links, or copied. */
  readonly hardLinks: boolean;
}

/** Creates the store where there is none. Rejects where the folder cannot be used. */
export async function openFilesystemStorage(options: FilesystemOptions): Promise<FilesystemStorage> {
  const layout = new Layout(resolve(options.rootDirectory));
  await mkdir(layout.root, { recursive: true });
  const lock = await lockStore(layout.root);
  try {
    return await openLocked(layout, lock, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openLocked(
  layout: Layout,
  lock: StoreLock,
  options: FilesystemOptions,
): Promise<FilesystemStorage> {
  const directories = new Directories(layout.root, options.durability);
  const fresh = (await ifThere(stat(layout.uploadsRoot))) === undefined;
  await Promise.all(
    [layout.blobsRoot, layout.manifestsRoot, layout.contentRoot, layout.uploadsRoot].map((folder) =>
      directories.ensure(folder),
    ),
  );
  await dropUnfinished(layout);
  const hardLinks = await supportsHardLinks(layout.uploadsRoot);
  return {
    layout,
    fresh,
    locked: lock.locked,
    hardLinks,
    blobs: withStorageErrors(new FileBlobs(layout, directories, hardLinks, options.digestFile)),
    manifests: withStorageErrors(new FileManifests(layout, directories)),
    tags: withStorageErrors(new FileTags(layout, directories, hardLinks)),
    referrers: withStorageErrors(new FileReferrers(layout, directories)),
    repositories: withStorageErrors(new FileRepositories(layout)),
    uploads: withStorageErrors(new FileUploads(layout)),
    notes: withStorageErrors(new FileNotes(layout, directories)),
    close: () => lock.release(),
  };
}

/** What can't be gone on with after a restart goes; sessions, which have a record, stay. */
async function dropUnfinished(layout: Layout): Promise<void> {
  const names = await readdir(layout.uploadsRoot);
  const sessions = new Set(names.map(sessionOf));
  for (const name of names) {
    if (name.endsWith(temporarySuffix) || (isSessionId(name) && !sessions.has(name)))
      await ifThere(rm(`${layout.uploadsRoot}/${name}`, { recursive: true, force: true }));
  }
}

const full = new Set(["ENOSPC", "EDQUOT"]);

/** The system's error as the port's. */
export function storageError(error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || error instanceof RegistryError) return error;
  return full.has(code)
    ? new RegistryError("storage-full", "the registry's storage is full", undefined, { cause: error })
    : new RegistryError("storage-failed", "the registry's storage failed", undefined, { cause: error });
}

/** Wraps a store so that what its methods reject with are the port's errors. */
function withStorageErrors<T extends object>(store: T): T {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]) => {
        const result: unknown = Reflect.apply(value, target, parameters);
        return result instanceof Promise
          ? result.catch((error: unknown) => Promise.reject(storageError(error)))
          : result;
      };
    },
  });
}
