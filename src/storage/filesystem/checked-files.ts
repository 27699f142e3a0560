/**
 * Reads what lies in the store, and nothing that lies elsewhere: no symbolic link is followed, neither as a file nor
 * as a folder on the way to it. Whatever is not what belongs in its place (a folder where a file should be, a link, a
 * pipe) counts as not there, so that it hides nothing else, and is named.
 */
import { constants, type Dirent, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, realpath } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru-bound.js";
import { errorCode } from "./files.js";

/** Told of a path, relative to the root, and of what is odd there. */
export type OnStray = (path: string, why: string) => void;

/** What the system says where something else lies in the place of a file or folder. */
const reasons: ReadonlyMap<string, string> = new Map([
  ["ENOTDIR", "a file lies where a folder should be"],
  ["EISDIR", "a folder lies where a file should be"],
  ["ELOOP", "a symbolic link, which is not followed"],
  ["ENXIO", "a socket or pipe lies where a file should be"],
]);

/** Failures of the process or the moment. Those of any other kind are about what lies at the path. */
const passing: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EINTR"]);

/** A pipe that somebody has put there must not hold up a thread; a file does not know `O_NONBLOCK`. */
export const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** The largest file that is read whole: no setting allows a larger manifest. */
const wholeBytesMax = 64 * 1024 * 1024;

/** Folders that are known to lie in the store, some 200 bytes each. */
const insideMax = 20_000;

export class CheckedFiles {
  /** Folders that were found to lie where their paths say. Looked at once, since a look is a way to another thread. */
  readonly #inside = new LRUCache<string, true>(entriesMax(insideMax));
  /** Where the folders of the root really lie: an operator may have made links of them, or of the root. */
  readonly #tops = new Map<string, Promise<string>>();

  constructor(
    readonly root: string,
    readonly onStray: OnStray,
  ) {}

  name(path: string, why: string): void {
    this.onStray(relative(this.root, path), why);
  }

  /** What `operation` on `path` gives, `undefined` where there is nothing, or something else. */
  async passOver<T>(path: string, operation: Promise<T>): Promise<T | undefined> {
    try {
      return await operation;
    } catch (error) {
      const code = errorCode(error) ?? "";
      if (code === "ENOENT") return undefined;
      const why = reasons.get(code);
      if (why === undefined) throw error;
      this.name(path, why);
      return undefined;
    }
  }

  /**
   * The same where `operation` is one of many and must not keep the others from being done: what the disk refuses to
   * tell of `path` is named and passed over, whatever the reason.
   */
  async passOverDamage<T>(path: string, operation: Promise<T>): Promise<T | undefined> {
    return this.passOver(path, operation).catch((error: unknown) => {
      this.nameDamage(path, error);
      return undefined;
    });
  }

  /** Names what the disk has refused at `path`. Throws what is not about the disk. */
  nameDamage(path: string, error: unknown): void {
    const code = errorCode(error);
    if (code === undefined || passing.has(code)) throw error;
    this.name(path, reasons.get(code) ?? `cannot be read: ${code}`);
  }

  /** The regular file at `path`, opened to be read; `undefined` where there is none. */
  async open(path: string): Promise<FileHandle | undefined> {
    if (!(await this.#isInside(dirname(path)))) return undefined;
    return this.passOver(path, open(path, readFlags));
  }

  /** The bytes of a regular file, `undefined` where there is none. */
  async read(path: string): Promise<Buffer | undefined> {
    const handle = await this.open(path);
    if (handle === undefined) return undefined;
    try {
      const found = await handle.stat();
      const why = found.isFile() ? undefined : "not a file";
      if (why === undefined && found.size <= wholeBytesMax)
        return await this.passOver(path, readWhole(handle, found.size));
      this.name(path, why ?? `larger than ${wholeBytesMax} bytes`);
      return undefined;
    } finally {
      await handle.close();
    }
  }

  /** Of a regular file, `undefined` where there is none. */
  async file(path: string): Promise<Stats | undefined> {
    if (!(await this.#isInside(dirname(path)))) return undefined;
    const found = await this.passOver(path, lstat(path));
    if (found === undefined || found.isFile()) return found;
    this.name(path, found.isSymbolicLink() ? "a symbolic link, which is not followed" : "not a file");
    return undefined;
  }

  /** Names in a folder, `undefined` where there is none. */
  async entries(folder: string): Promise<string[] | undefined> {
    return (await this.#isInside(folder)) ? this.passOver(folder, readdir(folder)) : undefined;
  }

  /** The same with what they are. */
  async typedEntries(folder: string): Promise<Dirent[] | undefined> {
    return (await this.#isInside(folder))
      ? this.passOver(folder, readdir(folder, { withFileTypes: true }))
      : undefined;
  }

  /**
   * Names in a folder, `undefined` where it is not there. Rejects where something else is in its place: what is hidden
   * by that must not pass for what is gone.
   */
  async demandEntries(folder: string): Promise<string[] | undefined> {
    try {
      if (await this.#isInside(folder)) return await readdir(folder);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
    if (await this.#isMissing(folder)) return undefined;
    throw Object.assign(new Error(`${folder} is not a folder of the store`), { code: "ENOTDIR" });
  }

  /** Whether nothing at all lies at the path, in a folder that is one. */
  async #isMissing(path: string): Promise<boolean> {
    for (let place = path; place.length > this.root.length; place = dirname(place)) {
      const found = await lstat(place).catch(ifMissing);
      if (found !== undefined) return place !== path && (found.isDirectory() || dirname(place) === this.root);
    }
    return true;
  }

  /** Whether the folder is there, and no part of its path leads elsewhere. Rejects where the disk does not tell. */
  async #isInside(folder: string): Promise<boolean> {
    if (this.#inside.get(folder) === true) return true;
    const found = await this.passOver(folder, realpath(folder));
    if (found === undefined) return false;
    if (found !== (await this.#realOf(folder))) {
      this.name(folder, "a symbolic link on the way to it, which is not followed");
      return false;
    }
    this.#inside.set(folder, true);
    return true;
  }

  /** Where the folder has to be found. */
  async #realOf(folder: string): Promise<string> {
    const [top = "", ...below] = relative(this.root, folder).split("/");
    let real = this.#tops.get(top);
    if (real === undefined) {
      real = realpath(`${this.root}/${top}`);
      this.#tops.set(top, real);
      real.catch(() => this.#tops.delete(top));
    }
    return [await real, ...below].join("/");
  }
}

function ifMissing(error: unknown): undefined {
  if (errorCode(error) !== "ENOENT") throw error;
}

async function readWhole(handle: FileHandle, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(bytes, filled, size - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
