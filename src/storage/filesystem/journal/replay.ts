/**
 * Repeats the changes in the journal's records, after a crash. It looks at each path once, by the last record that names it,
 * and changes only what differs. So it can be repeated from the start at any time, and nobody reads the store meanwhile.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  lutimesSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { now } from "../../../lib/clock.js";
import { readFlags } from "../checked-files.js";
import { errorCode } from "../files.js";
import type { Layout } from "../layout.js";
import type { Directories } from "../sync.js";
import { PathNumbers } from "./path-numbers.js";
import type { JournalOperation } from "./record.js";
import { recordsOf, type StoredJournal } from "./segments.js";

/** The file system has no links, or no further one to this file. */
const unlinkable = new Set(["EMLINK", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV"]);

/** Something else is in the place of a folder. */
const blocking = new Set(["ENOTDIR", "ELOOP", "EEXIST"]);

/** Timers and signals wait as long. */
const turnMilliseconds = 10;

/**
 * Files are looked at, written and linked in this thread, which has nothing else to do: with another thread for each step, a push
 * took five times the CPU time.
 */
export class Replay {
  /** The last record that changes each path, and the last one that makes earlier changes of it void. */
  readonly #last: PathNumbers;
  readonly #voids: PathNumbers;
  /** Number of records that were repeated. */
  done = 0;

  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly journal: StoredJournal,
    /** Whether to write all files again, even if they look right: the disk may lack what the cache shows. */
    readonly all: boolean,
    /** Called for a path at which something else prevents the change. */
    readonly onBlocked: (path: string, why: string) => void,
  ) {
    this.#last = new PathNumbers(journal.changes);
    this.#voids = new PathNumbers(journal.voids);
  }

  /** Resolves when all changes are made; sync them then. */
  async run(): Promise<void> {
    for await (const { sequence, operations } of recordsOf(this.journal))
      for (const operation of operations)
        if ("path" in operation)
          (operation.do === "void" ? this.#voids : this.#last).raise(operation.path, sequence);
    let began = now();
    for await (const { sequence, operations, bytes } of recordsOf(this.journal)) {
      if (now() - began > turnMilliseconds) {
        await turn();
        began = now();
      }
      let read = 0;
      for (const operation of operations) {
        const length = lengthOf(operation, bytes);
        if ("path" in operation && this.#isInStore(operation) && this.#decides(sequence, operation.path))
          await this.#attempt(operation, bytes.subarray(read, read + length));
        read += length;
      }
      this.done++;
    }
  }

  /** The journal changes nothing else. */
  #isInStore(operation: JournalOperation): boolean {
    if (placesOf(operation).every(isPlace)) return true;
    this.onBlocked(this.layout.journalRoot, "has a record that names no place of pushed content");
    return false;
  }

  #decides(sequence: number, path: string): boolean {
    if (this.#last.get(path) > sequence) return false;
    for (let above = path; above !== "."; above = dirname(above))
      if (this.#voids.get(above) > sequence) return false;
    return true;
  }

  async #attempt(operation: JournalOperation, bytes: Buffer): Promise<void> {
    try {
      await this.#repeat(operation, bytes);
    } catch (error) {
      const code = errorCode(error) ?? "";
      if (!blocking.has(code) || !("path" in operation)) throw error;
      this.onBlocked(`${this.layout.root}/${operation.path}`, `cannot be written from the journal: ${code}`);
    }
  }

  async #repeat(operation: JournalOperation, bytes: Buffer): Promise<void> {
    const path = "path" in operation ? `${this.layout.root}/${operation.path}` : "";
    switch (operation.do) {
      case "blob":
        return this.#putBlob(path, `${this.layout.root}/${operation.content}`, bytes);
      case "file":
        if (operation.beside !== undefined)
          await this.directories.ensure(`${this.layout.root}/${operation.beside}`, false);
        await this.#put(path, bytes);
        return lutimesSync(path, operation.at / 1000, operation.at / 1000);
      case "mark":
        return this.#put(path, Buffer.alloc(0));
      case "link":
        return this.#copy(`${this.layout.root}/${operation.from}`, path);
      case "remove":
        await rm(path, { recursive: true, force: true });
    }
  }

  async #putBlob(path: string, content: string, bytes: Buffer): Promise<void> {
    await this.#put(content, bytes);
    await this.#link(content, path, bytes);
  }

  /** The manifest decides what is in its copy beside a tag, and may be removed by now. */
  async #copy(from: string, path: string): Promise<void> {
    if (!this.all && areOne(from, path)) return;
    const bytes = ifThereNow(() => readNow(from));
    if (bytes !== undefined) await this.#link(from, path, bytes);
  }

  async #link(from: string, path: string, bytes: Buffer): Promise<void> {
    if (!this.all && areOne(from, path)) return;
    try {
      await this.#within(path, () => {
        clear(path);
        // A link that replaces one of the same file changes nothing.
        if (this.all) rmSync(path, { force: true });
        linkOver(from, path, this.layout.temporary());
      });
    } catch (error) {
      if (!unlinkable.has(errorCode(error) ?? "")) throw error;
      await this.#put(path, bytes);
    }
  }

  /** Makes the bytes those of the file. Never changes those of an existing file, which may have other links. */
  async #put(path: string, bytes: Buffer): Promise<void> {
    if (has(path, bytes) && (!this.all || (await writeAgain(path, bytes)))) return;
    const temporary = this.layout.temporary();
    await this.#within(path, () => {
      clear(path);
      try {
        writeFileSync(temporary, bytes);
        renameSync(temporary, path);
      } catch (error) {
        // On a full disk each start would leave one more.
        rmSync(temporary, { force: true });
        throw error;
      }
    });
  }

  #within(path: string, work: () => void): Promise<void> {
    return this.directories.within([dirname(path)], async () => work(), false);
  }
}

/** Returns the result, or `undefined` if the file, or a directory above it, does not exist. */
function ifThereNow<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** An error for each missing file would take longer than the look. */
function lookNow(path: string): BigIntStats | undefined {
  return ifThereNow(() => lstatSync(path, { bigint: true, throwIfNoEntry: false }));
}

function has(path: string, bytes: Buffer): boolean {
  const found = lookNow(path);
  if (found?.isFile() !== true || found.size !== BigInt(bytes.length)) return false;
  return ifThereNow(() => readNow(path))?.equals(bytes) ?? false;
}

function readNow(path: string): Buffer {
  const descriptor = openSync(path, readFlags);
  try {
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Returns whether both are names of one file, and not just symbolic links to it. */
function areOne(a: string, b: string): boolean {
  const [first, second] = [lookNow(a), lookNow(b)];
  return first !== undefined && first.ino === second?.ino && first.dev === second.dev;
}

/** Returns all paths that repeating the operation may change or read. */
function placesOf(operation: JournalOperation): string[] {
  const { path, content, from, beside } = operation as Partial<
    Record<"path" | "content" | "from" | "beside", string>
  >;
  return [path, content, from, beside].filter((place) => place !== undefined);
}

function isPlace(place: string): boolean {
  return /^(blobs|manifests|content)\/./.test(place) && !place.split("/").includes("..");
}

function lengthOf(operation: JournalOperation, bytes: Buffer): number {
  if (operation.do === "blob") return bytes.length;
  return operation.do === "file" ? operation.bytes : 0;
}

/**
 * Writes the bytes of a file over themselves, so that the next sync writes them to the disk. All links of the file stay.
 * Returns false if that is not possible, or if the file has no other links.
 */
async function writeAgain(path: string, bytes: Buffer): Promise<boolean> {
  const handle = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW).catch(() => undefined);
  if (handle === undefined) return false;
  try {
    if ((await handle.stat()).nlink === 1) return false;
    await handle.writeFile(bytes);
    return true;
  } finally {
    await handle.close();
  }
}

/** Removes a folder in the way of a file. */
function clear(path: string): void {
  if (lookNow(path)?.isDirectory() === true) rmSync(path, { recursive: true });
}

/** As `linkOver` of `files`, in this thread. */
function linkOver(from: string, to: string, temporary: string): void {
  linkSync(from, temporary);
  try {
    renameSync(temporary, to);
  } finally {
    // Renaming one link onto another of the same inode does nothing and leaves both.
    ifThereNow(() => unlinkSync(temporary));
  }
}
