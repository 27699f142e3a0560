/**
 * What lies in the store and does not belong there: a folder where a file should be, the reverse, a pointer
 * that points nowhere. It is passed over, so that it hides nothing else, and named.
 */
import { constants, type Stats } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { relative } from "node:path";
import { errorCode } from "./files.js";

/** Told of a path, relative to the root, and of what is odd there. */
export type OnOdd = (path: string, why: string) => void;

/** What the system says where something else lies in the place of a file or folder. */
const reasons: ReadonlyMap<string, string> = new Map([
  ["ENOTDIR", "a file lies where a folder should be"],
  ["EISDIR", "a folder lies where a file should be"],
  ["ELOOP", "a symbolic link leads nowhere"],
]);

/** A pipe that somebody has put there must not hold up a thread; a file does not know the flag. */
export const readFlags = constants.O_RDONLY | constants.O_NONBLOCK;

export class Oddities {
  constructor(
    readonly root: string,
    readonly onOdd: OnOdd,
  ) {}

  name(path: string, why: string): void {
    this.onOdd(relative(this.root, path), why);
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

  read(path: string): Promise<Buffer | undefined> {
    return this.passOver(path, readFile(path, { flag: readFlags }));
  }

  /** Of a regular file, `undefined` where there is none. */
  async file(path: string): Promise<Stats | undefined> {
    const found = await this.passOver(path, stat(path));
    if (found === undefined || found.isFile()) return found;
    this.name(path, "not a file");
    return undefined;
  }
}
