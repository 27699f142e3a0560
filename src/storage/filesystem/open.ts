/** Opens a store on a local file system: creates its directories, tests the file system's features, and creates the parts. */
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Closers } from "../../lib/closers.js";
import { everySeconds } from "../../lib/every-seconds.js";
import { freeMemory } from "../../lib/free-memory.js";
import { allEnded } from "../../lib/in-parallel.js";
import type { SlabPool } from "../../lib/slab-pool.js";
import type { DiskOperations } from "../disk-operations.js";
import { makeFolders } from "../make-folders.js";
import type { Storage } from "../storage.js";
import { StoreInUse } from "../store-in-use.js";
import { FileAdopter } from "./adopter.js";
import { FileBlobs } from "./blobs.js";
import { CacheFiller } from "./cache-filler.js";
import { CheckedFiles, type OnStray } from "./checked-files.js";
import { ContentTally } from "./content-tally.js";
import { FileDiskOperations } from "./disk.js";
import type { DoSteps } from "./file-steps.js";
import { errorCode, ifThere, supportsHardLinks } from "./files.js";
import { refuseForeignFolder } from "./foreign-folder.js";
import { joinJournal, openJournal, type Replayed, type Replaying } from "./journal/open.js";
import { SharedState } from "./journal/shared.js";
import { KeptTally } from "./kept-tally.js";
import { Layout } from "./layout.js";
import { isAnswered, lockStore, type StoreLock, unlocked } from "./lock.js";
import { FileManifests } from "./manifests.js";
import { MovedUploads } from "./moved-uploads.js";
import { FileNotes } from "./notes.js";
import { type StorePeers, tallyChange } from "./peers.js";
import { FilePushes } from "./pushes.js";
import { Quarantine } from "./quarantine.js";
import { RecordFiles } from "./record-files.js";
import { FileReferrers } from "./referrers.js";
import { FileRepositories } from "./repositories.js";
import { FileRobots } from "./robots.js";
import { FileSecrets } from "./secrets.js";
import { FileSlices } from "./slices.js";
import { withStorageErrors } from "./storage-errors.js";
import { StrayFiles } from "./stray-files.js";
import { Surveyor } from "./surveyor.js";
import { Directories } from "./sync.js";
import type { Durability } from "./syncs.js";
import { FileHistory } from "./tag-history.js";
import { FileTags } from "./tags.js";
import { FileUploads } from "./uploads.js";
import { FileVolume } from "./volume.js";
import { WorkerPool, type WorkerPoolOptions } from "./worker-pool.js";

const checkpointSeconds = 30;

/** A crash loses the changes since then, until a collection counts again. */
const tallySavedEverySeconds = 60;

export interface FilesystemOptions extends Omit<WorkerPoolOptions, "durable" | "journal" | "onError"> {
  /** The memory through which uploads pass. */
  readonly slabs: SlabPool;
  readonly rootDirectory: string;
  readonly durability: Durability;
  /** Whether small pushes are durable by the redo journal. Not used with relaxed durability, nor without hard links. */
  readonly journal: boolean;
  /** Time between two checkpoints of the journal. */
  readonly checkpointSeconds?: number;
  /** Called again and again while changes that a crash has left in the journal are repeated. */
  readonly onReplaying?: (replaying: Replaying) => void;
  /** Called when all of them were repeated. */
  readonly onReplayed?: (replayed: Replayed) => void;
  /** Called with failures that no caller waits for, each with a message for the log. */
  readonly onError: (error: unknown, message: string) => void;
  /** Called for each stray file, each time that it is found. */
  readonly onStray: OnStray;
  /** Whether to create a store if there is none. */
  readonly create: boolean;
  /** The machine's, unless a test replaces it. In bytes. */
  readonly freeMemory?: () => Promise<number>;
  /** `never` treats the file system as one without hard links, for tests. */
  readonly hardLinks?: "if supported" | "never";
  /** The other processes that use the store. Absent if there is one. */
  readonly peers?: StorePeers | undefined;
}

export interface FilesystemStorage extends Storage {
  readonly layout: Layout;
  readonly disk: DiskOperations;
  /** Whether the store is locked against other servers; false if the system has no `flock` or the file system is read-only. */
  readonly locked: boolean;
  /** The open file that has the lock, for the other processes: the lock ends with the last that has it open. */
  readonly lockDescriptor: number | undefined;
  /** Whether content is shared between repositories by hard links, or copied. */
  readonly hardLinks: boolean;
}

/** Rejects if the directory cannot be used. */
export async function openFilesystemStorage(options: FilesystemOptions): Promise<FilesystemStorage> {
  const layout = new Layout(resolve(options.rootDirectory), options.peers?.digits);
  if (options.create) await makeRoot(layout.root, options.durability).catch(asUnusable(layout.root));
  else if ((await ifThere(stat(layout.uploadsRoot))) === undefined)
    throw new Error(`there is no store in ${layout.root}`);
  // Of several processes, the first one has locked the store for all.
  const isFirst = options.peers?.isFirst !== false;
  if (isFirst) await refuseForeignFolder(layout).catch(asUnusable(layout.root));
  const lock = isFirst ? await lockStore(layout.lock).catch(asUnusable(layout.root)) : unlocked(true);
  const closers = new Closers((error, what) => options.onError(error, `closing the store: ${what} failed`));
  closers.add("lock", () => lock.release());
  try {
    if (isFirst && (await isAnswered(layout.controlSocket))) throw new StoreInUse(heldWithoutLock(layout));
    const durable = options.durability === "full";
    const state = new SharedState();
    const workers = new WorkerPool(options.slabs, {
      ...options,
      durable,
      journal:
        durable && options.journal
          ? { memory: state.memory, root: layout.root, folder: layout.journalRoot }
          : undefined,
      onError: (error) => options.onError(error, "a worker thread crashed and was replaced"),
    });
    closers.add("workers", () => workers.close());
    return await openLocked(layout, lock, workers, state, closers, options);
  } catch (error) {
    await closers.close();
    throw error;
  }
}

function heldWithoutLock({ root, lock, controlSocket }: Layout): string {
  return `${root} is in use by another gantry, which answers at ${controlSocket}, although nobody holds ${lock}: that file was removed, or cannot be locked. Stop that gantry, and start again`;
}

/** Adds the directory to an error in which the system names only a file in it, or one above. */
function asUnusable(root: string): (cause: unknown) => never {
  return (cause) => {
    throw cause instanceof StoreInUse
      ? cause
      : new Error(`the folder ${root} cannot be used as a store`, { cause });
  };
}

/**
 * Creates the store's directory and missing parents, and syncs their names, because a store is lost with its name. An
 * existing directory may have been created just before, by an operator or by a server that was killed.
 */
async function makeRoot(root: string, durability: Durability): Promise<void> {
  const made = await makeFolders(root);
  const directories = new Directories(root, durability);
  for (let folder = root; ; folder = dirname(folder)) {
    await directories.sync(dirname(folder)).catch((error: unknown) => {
      // The parent of an existing directory may be unreadable, or on a file system without sync.
      if (made !== undefined) throw error;
    });
    if (made === undefined || folder === made) return;
  }
}

async function openLocked(
  layout: Layout,
  lock: StoreLock,
  workers: WorkerPool,
  state: SharedState,
  closers: Closers,
  options: FilesystemOptions,
): Promise<FilesystemStorage> {
  const directories = new Directories(layout.root, options.durability);
  closers.add("syncs", () => directories.syncs.close());
  const fresh = (await ifThere(stat(layout.uploadsRoot))) === undefined;
  const folders = [layout.blobsRoot, layout.manifestsRoot, layout.contentRoot, layout.uploadsRoot];
  await allEnded(folders.map(async (folder) => directories.ensure(folder))).catch((cause: unknown) => {
    if (errorCode(cause) !== "EROFS") throw cause;
    throw new Error(
      `the store in ${layout.root} is incomplete, and the file system is read-only: start Gantry once on a writable one, which creates the missing folders`,
      { cause },
    );
  });
  for (const folder of folders)
    if (!(await stat(folder)).isDirectory()) throw new Error(`${folder} is not a folder`);
  const found = await probe(layout.uploadsRoot);
  const { readOnly } = found;
  const hardLinks = found.hardLinks && options.hardLinks !== "never";
  const checkedFiles = new CheckedFiles(layout.root, options.onStray);
  const { peers } = options;
  const isFirst = peers?.isFirst !== false;
  const recordFiles = new RecordFiles(layout, hardLinks, peers && `${peers.digits}-`);
  const quarantine = new Quarantine(layout, directories, checkedFiles);
  const surveyor = new Surveyor(checkedFiles, (error) =>
    options.onError(error, "a worker thread crashed and was replaced"),
  );
  closers.add("surveyor", () => surveyor.close());
  const tally = openTally(fresh && hardLinks, peers);
  const cacheFiller = new CacheFiller({
    open: (file) => checkedFiles.open(file),
    isDiskBusy: () => workers.tasks > 0 || blobs.cold.reads > 0,
    freeMemory: options.freeMemory ?? (() => freeMemory(textOf)),
    onError: (error) => options.onError(error, "a pushed blob could not be read into the page cache"),
  });
  closers.add("cache filler", () => cacheFiller.close());
  const blobs: FileBlobs = new FileBlobs(
    layout,
    directories,
    hardLinks,
    workers,
    checkedFiles,
    quarantine,
    tally,
    surveyor,
    cacheFiller,
    peers,
  );
  const moved =
    peers &&
    new MovedUploads(workers, peers, (error) =>
      options.onError(error, "an upload that another process continues could not be closed"),
    );
  const uploads = new FileUploads(layout, checkedFiles, {
    workers,
    blobs: withStorageErrors(blobs),
    recordFiles,
    moved,
  });
  peers?.onCrashed((digits) => uploads.dropOf(digits));
  peers?.onEmptied((name) => directories.forgetBelow([layout.blobs(name), layout.manifests(name)]));
  if (!readOnly && isFirst) {
    await directories.ensure(layout.recordsRoot);
    await uploads.dropUnfinished();
  }
  // Now that they are removed, a disk that they had filled has room for it.
  const journalOptions = {
    ...{ layout, directories, checkedFiles, quarantine, workers, state, readOnly, peers },
    used: options.journal && options.durability === "full" && hardLinks && !readOnly,
    checkpointSeconds: options.checkpointSeconds ?? checkpointSeconds,
    onReplaying: options.onReplaying ?? (() => {}),
    onReplayed: options.onReplayed ?? (() => {}),
    onError: options.onError,
  };
  const journal =
    peers === undefined || isFirst
      ? await openJournal(journalOptions)
      : await joinJournal(journalOptions, peers);
  if (journal !== undefined) closers.add("journal", () => journal.close());
  quarantine.journal = journal;
  blobs.journal = journal;
  const notes = withStorageErrors(new FileNotes(layout, directories, checkedFiles));
  const keptTally = await KeptTally.restore(tally, notes, readOnly || !isFirst);
  const saving = everySeconds(
    readOnly || !isFirst ? 0 : tallySavedEverySeconds,
    () => keptTally.save(),
    (error) => options.onError(error, "the count of stored content could not be saved"),
  );
  if (!readOnly && isFirst) closers.add("tally", () => keptTally.save());
  closers.add("saving of the tally", saving.stop);
  const onSliceError = (error: unknown) => options.onError(error, "a slice of a blob could not be removed");
  const doSteps: DoSteps = async (steps) => directories.syncs.took(await workers.fileSteps(steps));
  const tags = new FileTags(
    layout,
    directories,
    doSteps,
    hardLinks,
    checkedFiles,
    quarantine,
    surveyor,
    (error) => options.onError(error, "the disk is full, so a removed tag has lost its history"),
    journal,
    peers,
  );
  const manifests = new FileManifests(layout, directories, doSteps, checkedFiles, surveyor, journal);
  const referrers = new FileReferrers(layout, directories, doSteps, checkedFiles, journal);
  const pushes = journal && new FilePushes(layout, directories, referrers, manifests, tags, journal);
  const strayFiles = new StrayFiles(layout, quarantine);
  if (isFirst)
    for await (const { path, why } of strayFiles.foreign()) checkedFiles.name(join(layout.root, path), why);
  return {
    layout,
    fresh,
    readOnly,
    locked: lock.locked,
    lockDescriptor: lock.descriptor,
    hardLinks,
    measures: {
      syncs: {
        data: workers.done.syncs,
        file: directories.syncs.files,
        directory: directories.syncs.directories,
        journal: workers.done.journalSyncs,
      },
      lookups: { directories: directories.lookups, sound_contents: blobs.integrity.lookups },
      get contents() {
        return tally.total;
      },
    },
    volume: withStorageErrors(new FileVolume(layout, directories.syncs, lock, journal)),
    blobs: withStorageErrors(blobs),
    manifests: withStorageErrors(manifests),
    ...(pushes !== undefined && { pushes: withStorageErrors(pushes) }),
    tags: withStorageErrors(tags),
    history: withStorageErrors(new FileHistory(layout, checkedFiles, surveyor)),
    referrers: withStorageErrors(referrers),
    repositories: withStorageErrors(new FileRepositories(layout, directories, checkedFiles, surveyor)),
    uploads: withStorageErrors(uploads),
    ...(peers !== undefined &&
      !readOnly && { slices: withStorageErrors(new FileSlices(layout, onSliceError)) }),
    adopter: withStorageErrors(new FileAdopter(blobs)),
    disk: withStorageErrors(new FileDiskOperations(layout, blobs, tags, strayFiles, quarantine)),
    robots: withStorageErrors(new FileRobots(layout, directories, checkedFiles)),
    notes,
    secrets: withStorageErrors(new FileSecrets(layout, directories, hardLinks, checkedFiles)),
    workers,
    close: () => closers.close(),
  };
}

function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "latin1").catch(() => undefined);
}

/** Without hard links each repository has its own copies, which are not counted. Of several processes the first counts. */
function openTally(isEmpty: boolean, peers: StorePeers | undefined): ContentTally {
  if (peers?.isFirst === false)
    return new ContentTally(undefined, (digest, contents, bytes) =>
      peers.tellFirst("content changed", { digest, contents, bytes }),
    );
  const tally = new ContentTally(isEmpty ? { contents: 0, bytes: 0 } : undefined);
  peers?.answer("content changed", (payload) => {
    const { digest, contents, bytes } = tallyChange.parse(payload);
    tally.changed(digest, contents, bytes);
    return null;
  });
  return tally;
}

/** Tests what the file system supports. Assumes hard links on a read-only one. */
async function probe(folder: string): Promise<{ readOnly: boolean; hardLinks: boolean }> {
  try {
    return { readOnly: false, hardLinks: await supportsHardLinks(folder) };
  } catch (error) {
    if (errorCode(error) !== "EROFS") throw error;
    return { readOnly: true, hardLinks: true };
  }
}
