/**
 * Repeats the changes in the journal's records, after a crash. It looks at each path once, by the last record that names it,
 * and changes only what differs. So it can be repeated from the start at any time, and nobody reads the store meanwhile.
 */
import { constants } from "node:fs";
import { lstat, lutimes, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode, ifThere, linkOver, sameInode } from "../files.js";
import type { Layout } from "../layout.js";
import type { Directories } from "../sync.js";
import type { JournalOperation } from "./record.js";
import { contentsOf, readFile, type StoredRecord } from "./segments.js";

/** The file system has no links, or no further one to this file. */
const unlinkable = new Set(["EMLINK", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV"]);

/** Something else is in the place of a folder. */
const blocking = new Set(["ENOTDIR", "ELOOP", "EEXIST"]);

export class Replay {
  /** The last record that changes each path, or makes earlier changes of it void. */
  readonly #last = new Map<string, number>();
  readonly #voids = new Map<string, number>();
  readonly #cancelled: ReadonlySet<number>;

  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly records: readonly StoredRecord[],
    /** Whether to write all files again, even if they look right: the disk may lack what the cache shows. */
    readonly all: boolean,
    /** Called for a path at which something else prevents the change. */
    readonly onBlocked: (path: string, why: string) => void,
  ) {
    const annulments = records.flatMap((record) => record.annulments);
    this.#cancelled = new Set(annulments.flatMap((one) => (one.do === "cancel" ? one.sequences : [])));
    for (const { sequence, paths, annulments } of records) {
      if (this.#cancelled.has(sequence)) continue;
      for (const path of paths) this.#last.set(path, sequence);
      for (const annulment of annulments)
        if (annulment.do === "void") this.#voids.set(annulment.path, sequence);
    }
  }

  /** Resolves when all changes are made; sync them then. */
  async run(): Promise<void> {
    for await (const { record, operations, bytes } of contentsOf(this.records)) {
      if (this.#cancelled.has(record.sequence)) continue;
      let read = 0;
      for (const operation of operations) {
        const length = lengthOf(operation, bytes);
        if (
          "path" in operation &&
          this.#isInStore(operation) &&
          this.#decides(record.sequence, operation.path)
        )
          await this.#attempt(operation, bytes.subarray(read, read + length));
        read += length;
      }
    }
  }

  /** The journal changes nothing else. */
  #isInStore(operation: JournalOperation): boolean {
    if (placesOf(operation).every(isPlace)) return true;
    this.onBlocked(this.layout.journalRoot, "has a record that names no place of pushed content");
    return false;
  }

  #decides(sequence: number, path: string): boolean {
    if ((this.#last.get(path) ?? 0) > sequence) return false;
    for (let above = path; above !== "."; above = dirname(above))
      if ((this.#voids.get(above) ?? 0) > sequence) return false;
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
        return lutimes(path, operation.at / 1000, operation.at / 1000);
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
    const bytes = await ifThere(readFile(from));
    if (bytes !== undefined) await this.#link(from, path, bytes);
  }

  async #link(from: string, path: string, bytes: Buffer): Promise<void> {
    if (!this.all && (await ifThere(sameInode(from, path)))) return;
    try {
      await this.#within(path, async () => {
        await clear(path);
        // A link that replaces one of the same file changes nothing.
        if (this.all) await rm(path, { force: true });
        await linkOver(from, path, this.layout.temporary());
      });
    } catch (error) {
      if (!unlinkable.has(errorCode(error) ?? "")) throw error;
      await this.#put(path, bytes);
    }
  }

  /** Makes the bytes those of the file. Never changes those of an existing file, which may have other links. */
  async #put(path: string, bytes: Buffer): Promise<void> {
    if ((await this.#has(path, bytes)) && (!this.all || (await writeAgain(path, bytes)))) return;
    const temporary = this.layout.temporary();
    await this.#within(path, async () => {
      await clear(path);
      try {
        await writeFile(temporary, bytes);
        await rename(temporary, path);
      } catch (error) {
        // On a full disk each start would leave one more.
        await rm(temporary, { force: true }).catch(() => {});
        throw error;
      }
    });
  }

  #within(path: string, work: () => Promise<void>): Promise<void> {
    return this.directories.within([dirname(path)], work, false);
  }

  async #has(path: string, bytes: Buffer): Promise<boolean> {
    const found = await ifThere(lstat(path));
    if (found?.isFile() !== true || found.size !== bytes.length) return false;
    return (await ifThere(readFile(path)))?.equals(bytes) ?? false;
  }
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
async function clear(path: string): Promise<void> {
  if ((await ifThere(lstat(path)))?.isDirectory() === true) await rm(path, { recursive: true });
}
