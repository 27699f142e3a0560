/**
 * Runs file operations in order. This thread does them itself, since they take microseconds; only syncs, which wait for the
 * disk, go to another thread, so that uploads continue meanwhile.
 */
import {
  closeSync,
  copyFileSync,
  fdatasync,
  fsync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { relative } from "node:path";
import { promisify } from "node:util";
import type { FileStep, SyncTimes } from "../../src/storage/filesystem/file-steps.js";
import type { JournalOperation } from "../../src/storage/filesystem/journal/record.js";
import { keepHistory, mark, movePointer, planMove } from "./tag-history.js";

const syncFile = promisify(fdatasync);
const syncFolder = promisify(fsync);

/** Returns the changes that some steps will make and their caller cannot know, for a record of the journal. */
export function planFileSteps(steps: readonly FileStep[], root: string): JournalOperation[] {
  return steps.flatMap((step) =>
    step.do === "move pointer" ? planMove(step, relative(root, step.folder)) : [],
  );
}

export async function doFileSteps(steps: readonly FileStep[], durable: boolean): Promise<SyncTimes> {
  const run = new Run(durable);
  for (const step of steps) await run.do(step);
  return run.times;
}

function rename({ from, to, replaces }: Extract<FileStep, { do: "rename" }>): void {
  try {
    renameSync(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (replaces !== true || (code !== "ENOTEMPTY" && code !== "EEXIST")) throw error;
    rmSync(to, { recursive: true });
    renameSync(from, to);
  }
}

function place({ from, to }: Extract<FileStep, { do: "place" }>): void {
  if (hasBytesOf(to, from)) rmSync(from);
  else renameSync(from, to);
}

function hasBytesOf(file: string, other: string): boolean {
  try {
    return lstatSync(file).isFile() && readFileSync(file).equals(readFileSync(other));
  } catch {
    // It is missing, or damaged.
    return false;
  }
}

class Run {
  readonly times: SyncTimes = { files: [], folders: [] };

  constructor(readonly durable: boolean) {}

  /** Returns a promise only if there is something to wait for. */
  do(step: FileStep): Promise<void> | void {
    switch (step.do) {
      case "write":
        return this.#within(step.file, "wx", (descriptor) => writeFileSync(descriptor, step.bytes));
      case "copy":
        return this.#copy(step.from, step.to);
      case "link":
        return this.#link(step.from, step.to);
      case "make folder":
        return void mkdirSync(step.folder);
      case "sync folder":
        return this.#syncFolder(step.folder);
      case "rename":
        return rename(step);
      case "place":
        return place(step);
      case "remove":
        return rmSync(step.file, { force: true });
      case "mark":
        return mark(step.file);
      case "touch":
        return lutimesSync(step.file, step.at / 1000, step.at / 1000);
      case "move pointer":
        return movePointer(step);
      case "keep history":
        return keepHistory(step);
    }
  }

  #link(from: string, to: string): Promise<void> | void {
    try {
      linkSync(from, to);
    } catch (error) {
      // ext4 allows 65,000 links.
      if ((error as NodeJS.ErrnoException).code !== "EMLINK") throw error;
      return this.#copy(from, to);
    }
  }

  #copy(from: string, to: string): Promise<void> {
    if (lstatSync(from).isSymbolicLink())
      throw Object.assign(new Error(`${from} is a symbolic link`), { code: "ELOOP" });
    copyFileSync(from, to);
    return this.#within(to, "r", () => {});
  }

  async #syncFolder(folder: string): Promise<void> {
    if (!this.durable) return;
    const descriptor = openSync(folder, "r");
    try {
      const startedAt = performance.now();
      await syncFolder(descriptor);
      this.times.folders.push(performance.now() - startedAt);
    } finally {
      closeSync(descriptor);
    }
  }

  /** Runs `work` on the file and syncs it. */
  async #within(file: string, flags: string, work: (descriptor: number) => void): Promise<void> {
    const descriptor = openSync(file, flags);
    try {
      work(descriptor);
      if (!this.durable) return;
      const startedAt = performance.now();
      await syncFile(descriptor);
      this.times.files.push(performance.now() - startedAt);
    } finally {
      closeSync(descriptor);
    }
  }
}
