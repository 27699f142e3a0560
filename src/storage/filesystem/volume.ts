/** The file system of the store: tests writes, and reports the free space. */
import { statfs, unlink } from "node:fs/promises";
import type { Space, Volume } from "../storage.js";
import { writeDurably } from "./files.js";
import type { Journal } from "./journal/journal.js";
import type { Layout } from "./layout.js";
import type { Syncs } from "./syncs.js";

export class FileVolume implements Volume {
  constructor(
    readonly layout: Layout,
    readonly syncs: Syncs,
    readonly journal?: Pick<Journal, "confirm">,
  ) {}

  async probe(): Promise<void> {
    this.journal?.confirm();
    const file = this.layout.temporary();
    await writeDurably(file, "probe\n", this.syncs);
    await unlink(file);
  }

  async space(): Promise<Space> {
    const { bsize, blocks, bavail } = await statfs(this.layout.root);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  }
}
