/** Opens a store on a local file system: the folders, what the file system can do, and the parts on top. */
import { mkdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { RegistryError } from "../../domain/errors.js";
import { ContentTally } from "../content-tally.js";
import { storageFailure } from "../errors.js";
import type { DoSteps } from "../file-steps.js";
import type { Storage } from "../storage.js";
import { type BlobWork, FileBlobs } from "./blobs.js";
import { CheckedFiles, type OnStray } from "./checked-files.js";
import { errorCode, ifThere, supportsHardLinks } from "./files.js";
import { Layout } from "./layout.js";
import { lockStore, StoreInUse, type StoreLock } from "./lock.js";
import { FileManifests } from "./manifests.js";
import { FileNotes } from "./notes.js";
import { Quarantine } from "./quarantine.js";
import { RecordFiles } from "./record-files.js";
import { FileReferrers } from "./referrers.js";
import { FileRepositories } from "./repositories.js";
import { FileRobots } from "./robots.js";
import { FileSecrets } from "./secrets.js";
import { StrayFiles } from "./stray-files.js";
import { Surveyor } from "./surveyor.js";
import { Directories } from "./sync.js";
import type { Durability } from "./syncs.js";
import { FileTags } from "./tags.js";
import { FileUploads } from "./uploads.js";
import { FileVolume } from "./volume.js";

export interface FilesystemOptions extends BlobWork {
  readonly doSteps: DoSteps;
  readonly rootDirectory: string;
  readonly durability: Durability;
  /** Told of what lies in the store and does not belong there, each time that it is met. */
  readonly onStray: OnStray;
  /** Told of a thread that ended outside any task. */
  readonly onError: (error: unknown) => void;
  /** Whether a store is created where there is none. */
  readonly create: boolean;
}

export interface FilesystemStorage extends Storage {
  readonly layout: Layout;
  /** Whether other servers are kept out; not where the system has no `flock`, or the file system is read-only. */
  readonly locked: boolean;
  /** Whether content is shared between repositories by hard links, or copied. */
  readonly hardLinks: boolean;
}

/** Rejects where the folder cannot be used. */
export async function openFilesystemStorage(options: FilesystemOptions): Promise<FilesystemStorage> {
  const layout = new Layout(resolve(options.rootDirectory));
  if (options.create) await makeRoot(layout.root, options.durability).catch(asUnusable(layout.root));
  else if ((await ifThere(stat(layout.uploadsRoot))) === undefined)
    throw new Error(`there is no store in ${layout.root}`);
  const lock = await lockStore(layout.lock).catch(asUnusable(layout.root));
  try {
    return await openLocked(layout, lock, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Names the folder, where the system tells only of a file in it, or of one above. */
function asUnusable(root: string): (cause: unknown) => never {
  return (cause) => {
    throw cause instanceof StoreInUse
      ? cause
      : new Error(`the folder ${root} cannot hold a store`, { cause });
  };
}

/**
 * Makes the store's own folder, and those above it that are not there, to stay: a store is lost with its
 * name. A folder that was there may have been made just before, by hand or by a server that was killed.
 */
async function makeRoot(root: string, durability: Durability): Promise<void> {
  const made = await mkdir(root, { recursive: true });
  const directories = new Directories(root, durability);
  for (let folder = root; ; folder = dirname(folder)) {
    await directories.sync(dirname(folder)).catch((error: unknown) => {
      // The folder above one that was there may be unreadable, or on a file system that knows no sync.
      if (made !== undefined) throw error;
    });
    if (made === undefined || folder === made) return;
  }
}

async function openLocked(
  layout: Layout,
  lock: StoreLock,
  options: FilesystemOptions,
): Promise<FilesystemStorage> {
  const directories = new Directories(layout.root, options.durability);
  const fresh = (await ifThere(stat(layout.uploadsRoot))) === undefined;
  const folders = [layout.blobsRoot, layout.manifestsRoot, layout.contentRoot, layout.uploadsRoot];
  await Promise.all(folders.map((folder) => directories.ensure(folder)));
  for (const folder of folders)
    if (!(await stat(folder)).isDirectory()) throw new Error(`${folder} is not a folder`);
  const { readOnly, hardLinks } = await probe(layout.uploadsRoot);
  const checkedFiles = new CheckedFiles(layout.root, options.onStray);
  const recordFiles = new RecordFiles(layout, hardLinks);
  const uploads = new FileUploads(layout, recordFiles, checkedFiles);
  if (!readOnly) {
    await directories.ensure(layout.recordsRoot);
    await uploads.dropUnfinished();
  }
  const quarantine = new Quarantine(layout, directories);
  const surveyor = new Surveyor(checkedFiles, options.onError);
  // Without hard links each repository has its own, which nobody has counted.
  const tally = new ContentTally(fresh && hardLinks ? { contents: 0, bytes: 0 } : undefined);
  const blobs = new FileBlobs(
    layout,
    directories,
    hardLinks,
    recordFiles,
    options,
    checkedFiles,
    quarantine,
    tally,
    surveyor,
  );
  const doSteps: DoSteps = async (steps) => {
    const times = await options.doSteps(steps);
    directories.syncs.took(times);
    return times;
  };
  const strayFiles = new StrayFiles(layout, quarantine);
  for await (const { path, why } of strayFiles.foreign()) checkedFiles.name(join(layout.root, path), why);
  return {
    layout,
    fresh,
    readOnly,
    locked: lock.locked,
    hardLinks,
    measures: {
      syncs: { file: directories.syncs.files, directory: directories.syncs.directories },
      lookups: { directories: directories.lookups, sound_contents: blobs.integrity.lookups },
      contents: tally,
    },
    volume: withStorageErrors(new FileVolume(layout, directories.syncs)),
    blobs: withStorageErrors(blobs),
    manifests: withStorageErrors(
      new FileManifests(layout, directories, doSteps, checkedFiles, quarantine, surveyor),
    ),
    tags: withStorageErrors(
      new FileTags(layout, directories, doSteps, hardLinks, checkedFiles, quarantine, surveyor),
    ),
    referrers: withStorageErrors(new FileReferrers(layout, directories, checkedFiles)),
    repositories: withStorageErrors(new FileRepositories(layout, directories, checkedFiles, surveyor)),
    uploads: withStorageErrors(uploads),
    strayFiles: withStorageErrors(strayFiles),
    robots: withStorageErrors(new FileRobots(layout, directories, checkedFiles)),
    notes: withStorageErrors(new FileNotes(layout, directories, checkedFiles)),
    secrets: withStorageErrors(new FileSecrets(layout, directories, hardLinks, checkedFiles)),
    close: async () => {
      directories.syncs.close();
      await surveyor.close();
      await lock.release();
    },
  };
}

/** What the file system allows. One that nothing can be written to is taken for one with hard links. */
async function probe(folder: string): Promise<{ readOnly: boolean; hardLinks: boolean }> {
  try {
    return { readOnly: false, hardLinks: await supportsHardLinks(folder) };
  } catch (error) {
    if (errorCode(error) !== "EROFS") throw error;
    return { readOnly: true, hardLinks: true };
  }
}

/** The system's error as the port's. */
function storageError(error: unknown): unknown {
  const code = errorCode(error);
  return code === undefined || error instanceof RegistryError ? error : storageFailure(code, error);
}

/** Wraps a store so that what its methods reject with are the port's errors. */
function withStorageErrors<T extends object>(store: T): T {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]) => {
        const result: unknown = Reflect.apply(value, target, parameters);
        if (result instanceof Promise)
          return result.catch((error: unknown) => Promise.reject(storageError(error)));
        return isAsyncIterable(result) ? translated(result) : result;
      };
    },
  });
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

async function* translated(source: AsyncIterable<unknown>): AsyncIterable<unknown> {
  try {
    yield* source;
  } catch (error) {
    throw storageError(error);
  }
}
