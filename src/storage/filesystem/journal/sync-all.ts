/**
 * Makes all changes of the store durable at once. Node has no `syncfs`; coreutils' `sync -f` has. Without it, each changed
 * file and its directory are synced.
 */
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { release } from "node:os";
import { dirname } from "node:path";
import { batchesFrom } from "../../../lib/batches.js";
import { inParallel } from "../../../lib/in-parallel.js";
import { ifThere } from "../files.js";
import type { Syncs } from "../syncs.js";
import { SyncProgram } from "./sync-program.js";

/** Earlier kernels do not report failed writes to `syncfs`. */
const reportsErrors = !/^([0-4]|5\.[0-7])\./.test(release());

/** Uploads sync meanwhile. */
const syncsAtOnce = 4;

/** A start after a crash may have to sync a million files, each in a directory of its own. */
const filesAtOnce = 10_000;

export class SyncAll {
  #hasProgram = reportsErrors;
  readonly #program = new SyncProgram();

  /** `roots` are directories of the store, which may be on several file systems. */
  constructor(
    readonly roots: readonly string[],
    readonly syncs: Syncs,
  ) {}

  /** `changed` yields the files that were changed; it is asked only if they must be synced one by one. */
  async run(changed: () => AsyncIterable<string>): Promise<void> {
    if (this.#hasProgram) {
      const end = await this.#runProgram();
      if (end === "synced") return;
      this.#hasProgram = end === "unknown";
    }
    for await (const files of batchesFrom(changed(), filesAtOnce)) await this.#syncEach(files);
  }

  async #syncEach(files: readonly string[]): Promise<void> {
    // What was removed meanwhile needs no sync.
    await inParallel(files, syncsAtOnce, (file) => ifThere(syncFile(file)));
    const directories = withParents(new Set(files.map((file) => dirname(file))), this.roots);
    await inParallel(directories, syncsAtOnce, (directory) =>
      ifThere(this.syncs.directory(directory, false)),
    );
  }

  /**
   * Returns `missing` if there is no such program, or it has no such option. Rejects if something could not be written. The
   * kernel reports a failed write to one `syncfs`, so a program that was killed may have hidden it: another run could succeed.
   * Each file's own `fsync` still fails then.
   */
  async #runProgram(): Promise<"synced" | "missing" | "unknown"> {
    const byDevice = new Map<number, string>();
    for (const root of this.roots) {
      const device = (await ifThere(stat(root)))?.dev;
      if (device !== undefined) byDevice.set(device, root);
    }
    const ended = await this.#program.run([...byDevice.values()]);
    if (ended.end !== "failed") return ended.end;
    throw Object.assign(new Error(`sync -f failed: ${ended.said}`), { code: "EIO" });
  }

  /** Call it when nothing is running any more. */
  close(): Promise<void> {
    return this.#program.close();
  }
}

/** Syncs the file with its times. */
async function syncFile(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A directory may be as new as the files in it. */
function withParents(directories: ReadonlySet<string>, roots: readonly string[]): ReadonlySet<string> {
  const all = new Set<string>();
  for (const directory of directories) {
    for (let path = directory; !all.has(path); path = dirname(path)) {
      all.add(path);
      if (roots.includes(path)) break;
    }
  }
  return all;
}
