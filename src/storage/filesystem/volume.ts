/** The file system of the store: tests writes, and reports the free space. */
import { statfs, unlink } from "node:fs/promises";
import type { Space, Volume } from "../storage.js";
import { writeDurably } from "./files.js";
import type { Journal } from "./journal/journal.js";
import type { Layout } from "./layout.js";
import type { StoreLock } from "./lock.js";
import type { Syncs } from "./syncs.js";

export class FileVolume implements Volume {
  constructor(
    readonly layout: Layout,
    readonly syncs: Syncs,
    readonly lock: Pick<StoreLock, "confirm">,
    readonly journal: Pick<Journal, "probe"> | undefined,
  ) {}

  async probe(): Promise<void> {
    await this.lock.confirm();
    await this.journal?.probe();
    const file = this.layout.temporary();
    await writeDurably(file, "probe\n", this.syncs);
    await unlink(file);
  }

  async space(): Promise<Space> {
    const { bsize, blocks, bavail } = await statfs(this.layout.root);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  }
}
