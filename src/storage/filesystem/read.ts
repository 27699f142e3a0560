/** Opens a store in a directory for reading only: it holds no lock, creates nothing and repairs nothing. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { type Digest, isDigest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { ReadableBlob, ReadableBlobs, ReadableStore } from "../readable-store.js";
import { CheckedFiles, type OnStray } from "./checked-files.js";
import { ifThere } from "./files.js";
import { refuseUnfinished } from "./journal/unfinished.js";
import { Layout } from "./layout.js";
import { FileManifests } from "./manifests.js";
import { Quarantine } from "./quarantine.js";
import { FileBlobReader } from "./reader.js";
import { FileRepositories } from "./repositories.js";
import { FileRobots } from "./robots.js";
import { withStorageErrors } from "./storage-errors.js";
import { Surveyor } from "./surveyor.js";
import { Directories } from "./sync.js";
import { FileTags } from "./tags.js";

export interface ReadableFolderOptions {
  readonly rootDirectory: string;
  /** Called for each stray file, each time that it is found. */
  readonly onStray: OnStray;
  /** Called with failures that no caller waits for. */
  readonly onError: (error: unknown) => void;
}

/** Rejects if there is no store, or if a crash has left changes in its journal. */
export async function openReadableFolder(options: ReadableFolderOptions): Promise<ReadableStore> {
  const layout = new Layout(resolve(options.rootDirectory));
  // First: a power failure may have taken the folders, too.
  await refuseUnfinished(layout);
  for (const folder of [layout.manifestsRoot, layout.contentRoot, layout.uploadsRoot])
    if (!(await ifThere(stat(folder)))?.isDirectory()) throw new Error(`there is no store in ${layout.root}`);
  const checkedFiles = new CheckedFiles(layout.root, options.onStray);
  const surveyor = new Surveyor(checkedFiles, options.onError);
  // For the methods that write, of which none is within reach.
  const directories = new Directories(layout.root, "relaxed");
  const doSteps = () => Promise.reject(new Error("the store is only read"));
  const quarantine = new Quarantine(layout, directories, checkedFiles);
  return {
    repositories: withStorageErrors(new FileRepositories(layout, directories, checkedFiles, surveyor)),
    manifests: withStorageErrors(
      new FileManifests(layout, directories, doSteps, checkedFiles, surveyor, undefined),
    ),
    tags: withStorageErrors(
      new FileTags(
        layout,
        directories,
        doSteps,
        true,
        checkedFiles,
        quarantine,
        surveyor,
        options.onError,
        undefined,
      ),
    ),
    blobs: withStorageErrors(new ReadableFileBlobs(layout, checkedFiles)),
    robots: withStorageErrors(new FileRobots(layout, directories, checkedFiles)),
    close: () => surveyor.close(),
  };
}

class ReadableFileBlobs implements ReadableBlobs {
  constructor(
    readonly layout: Layout,
    readonly checkedFiles: CheckedFiles,
  ) {}

  async list(name: RepositoryName): Promise<Digest[]> {
    return ((await this.checkedFiles.demandEntries(this.layout.blobs(name))) ?? []).filter(isDigest);
  }

  async find(name: RepositoryName, digest: Digest): Promise<ReadableBlob | undefined> {
    const file = this.layout.blob(name, digest);
    const found = await this.checkedFiles.file(file);
    if (found === undefined) return undefined;
    const open = async () => {
      const handle = await this.checkedFiles.open(file);
      return handle && FileBlobReader.over(handle);
    };
    return { size: found.size, outside: { file }, open };
  }
}
