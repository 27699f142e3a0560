/**
 * Keeps reads, renames and removals inside the store: it follows no symbolic link, neither as a file nor as a directory on the path. An
 * object of the wrong kind (a directory instead of a file, a link, a named pipe) counts as missing, so that it hides nothing
 * else, and is reported.
 */
import { constants, type Dirent, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, realpath } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru-bound.js";
import { errorCode } from "./files.js";

/** Called with a path relative to the root, and with the reason why the file there is stray. */
export type OnStray = (path: string, why: string) => void;

/** Error codes for another kind of object in the place of a file or directory. */
const reasons: ReadonlyMap<string, string> = new Map([
  ["ENOTDIR", "a file instead of a folder"],
  ["EISDIR", "a folder instead of a file"],
  ["ELOOP", "a symbolic link, which is not followed"],
  ["ENXIO", "a socket or pipe instead of a file"],
]);

/** Failures of the process or the moment. All other errors concern the file at the path. */
const passing: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EINTR"]);

/** `O_NONBLOCK`, so that a named pipe does not block a thread. It has no effect on regular files. */
export const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** Maximum size of a file that is read whole: no setting allows a larger manifest. */
const wholeBytesMax = 64 * 1024 * 1024;

/** Maximum number of directories known to be inside the store, about 200 bytes each. */
const insideMax = 20_000;

export class CheckedFiles {
  /**
   * Directories verified to be inside the store. Each is checked once, because a check costs a round trip to another thread.
   */
  readonly #inside = new LRUCache<string, true>(entriesMax(insideMax));
  /** Real paths of the top directories: an operator may have replaced them, or the root, with symbolic links. */
  readonly #tops = new Map<string, Promise<string>>();

  constructor(
    readonly root: string,
    readonly onStray: OnStray,
  ) {}

  name(path: string, why: string): void {
    this.onStray(relative(this.root, path), why);
  }

  /** Returns the result of `operation` on `path`, or `undefined` if there is nothing or another kind of object. */
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

  /** Like `passOver`, for an operation that must not stop others: any read error at `path` is reported and skipped. */
  async passOverDamage<T>(path: string, operation: Promise<T>): Promise<T | undefined> {
    return this.passOver(path, operation).catch((error: unknown) => {
      this.nameDamage(path, error);
      return undefined;
    });
  }

  /** Reports a read error at `path`. Throws errors that do not concern the disk. */
  nameDamage(path: string, error: unknown): void {
    const code = errorCode(error);
    if (code === undefined || passing.has(code)) throw error;
    this.name(path, reasons.get(code) ?? `cannot be read: ${code}`);
  }

  /** Opens the regular file at `path` for reading, or returns `undefined` if there is none. */
  async open(path: string): Promise<FileHandle | undefined> {
    if (!(await this.#isInside(dirname(path)))) return undefined;
    return this.passOver(path, open(path, readFlags));
  }

  /** Returns the bytes of a regular file, or `undefined` if there is none. */
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

  /** Returns the properties of a regular file, or `undefined` if there is none. */
  async file(path: string): Promise<Stats | undefined> {
    if (!(await this.#isInside(dirname(path)))) return undefined;
    const found = await this.passOver(path, lstat(path));
    if (found === undefined || found.isFile()) return found;
    this.name(path, found.isSymbolicLink() ? "a symbolic link, which is not followed" : "not a file");
    return undefined;
  }

  /** Returns the names in a directory, or `undefined` if there is none. */
  async entries(folder: string): Promise<string[] | undefined> {
    return (await this.#isInside(folder)) ? this.passOver(folder, readdir(folder)) : undefined;
  }

  /** Like `entries`, with the types. */
  async typedEntries(folder: string): Promise<Dirent[] | undefined> {
    return (await this.#isInside(folder))
      ? this.passOver(folder, readdir(folder, { withFileTypes: true }))
      : undefined;
  }

  /**
   * Returns the names in a directory, or `undefined` if it does not exist. Rejects if another kind of object is in its
   * place: hidden entries must not count as removed.
   */
  async demandEntries(folder: string): Promise<string[] | undefined> {
    return (await this.demandFolder(folder)) ? readdir(folder).catch(ifMissing) : undefined;
  }

  /**
   * Returns whether the directory exists. Rejects if another kind of object is in its place, or a symbolic link on its path:
   * call it before a change in a directory that `Directories` has not ensured. Costs nothing for a known directory.
   */
  async demandFolder(folder: string): Promise<boolean> {
    // A folder that comes between the two looks is neither inside nor missing; it is inside the second time.
    for (let attempt = 1; attempt <= 2; attempt++) {
      if (await this.#isInside(folder)) return true;
      if (await this.#isMissing(folder)) return false;
    }
    throw Object.assign(new Error(`${folder} is not a folder of the store`), { code: "ENOTDIR" });
  }

  /** Returns whether nothing exists at the path, although its parent is a directory. */
  async #isMissing(path: string): Promise<boolean> {
    for (let place = path; place.length > this.root.length; place = dirname(place)) {
      const found = await lstat(place).catch(ifMissing);
      if (found !== undefined) return place !== path && (found.isDirectory() || dirname(place) === this.root);
    }
    return true;
  }

  /** Returns whether the directory exists and no part of its path leads outside. Rejects if the disk cannot tell. */
  async #isInside(folder: string): Promise<boolean> {
    if (this.#inside.get(folder) === true) return true;
    const found = await this.passOver(folder, realpath(folder));
    if (found === undefined) return false;
    if (found !== (await this.#realOf(folder))) {
      this.name(folder, "a symbolic link on its path, which is not followed");
      return false;
    }
    this.#inside.set(folder, true);
    return true;
  }

  /** Returns the real path that the directory must have. */
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
