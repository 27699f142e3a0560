/**
 * The files to which records of sessions are links. Each is passed from one session to the next instead of being removed:
 * this saves creating and freeing an inode for each upload, which is expensive on ext4 without a journal
 * (docs/decisions/0021).
 */
import { readdir } from "node:fs/promises";
import { ifThere, removeIfThere } from "./files.js";
import type { Layout } from "./layout.js";

/** One page each. Further concurrent sessions have records of their own. */
const recordFilesMax = 4096;

export class RecordFiles {
  readonly #free: string[] = [];
  #made = 0;
  #count = 0;

  constructor(
    readonly layout: Layout,
    readonly hardLinks: boolean,
    /** Distinguishes the files of this process from those of others. */
    readonly prefix = "",
  ) {}

  /** Removes the files of an earlier process. Records that are still in use keep their data through their other name. */
  async dropAll(prefix = ""): Promise<void> {
    for (const name of (await ifThere(readdir(this.layout.recordsRoot))) ?? [])
      if (name.startsWith(prefix)) await removeIfThere(`${this.layout.recordsRoot}/${name}`);
  }

  /** Returns a file for one record, or `undefined` if the record needs a file of its own. */
  take(): string | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (!this.hardLinks || this.#made === recordFilesMax) return undefined;
    this.#made++;
    return `${this.layout.recordsRoot}/${this.prefix}${this.#count++}`;
  }

  /** Takes back a file to which no record is linked and no worker writes. */
  give(file: string): void {
    this.#free.push(file);
  }

  /** Drops a file that may still be in use. */
  async lose(file: string): Promise<void> {
    this.#made--;
    await removeIfThere(file);
  }
}
