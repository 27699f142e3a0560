/**
 * The files that records of sessions are links to. Such a file goes from one session to the next and is not
 * removed: an inode less to make and to free for each upload, which is dear on ext4 without a journal
 * (docs/decisions/0021).
 */
import { readdir } from "node:fs/promises";
import { ifThere, removeIfThere } from "./files.js";
import type { Layout } from "./layout.js";

/** Of a page each. Sessions beyond so many at a time have records of their own. */
const recordFilesMax = 4096;

export class RecordFiles {
  readonly #free: string[] = [];
  #made = 0;
  #count = 0;

  constructor(
    readonly layout: Layout,
    readonly hardLinks: boolean,
  ) {}

  /** Removes what an earlier process has left: whatever is still a session's record stays, by its other name. */
  async dropAll(): Promise<void> {
    for (const name of (await ifThere(readdir(this.layout.recordsRoot))) ?? [])
      await removeIfThere(`${this.layout.recordsRoot}/${name}`);
  }

  /** A file for one record, `undefined` where it has to have one of its own. */
  take(): string | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (!this.hardLinks || this.#made === recordFilesMax) return undefined;
    this.#made++;
    return `${this.layout.recordsRoot}/${this.#count++}`;
  }

  /** Takes back a file that no record is a link to any more, and that nobody writes to. */
  give(file: string): void {
    this.#free.push(file);
  }

  /** Gives up a file of which that cannot be told. */
  async lose(file: string): Promise<void> {
    this.#made--;
    await removeIfThere(file);
  }
}
