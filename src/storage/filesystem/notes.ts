/** Notes of the registry's own: each a small file, written whole or not at all. */
import { rename } from "node:fs/promises";
import type { NoteStore } from "../storage.js";
import { readIfThere, removeIfThere, writeDurably } from "./files.js";
import type { Layout } from "./layout.js";
import type { Directories } from "./sync.js";

export class FileNotes implements NoteStore {
  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
  ) {}

  async take(name: string): Promise<Buffer | undefined> {
    const folder = this.layout.notesRoot;
    const bytes = await readIfThere(`${folder}/${name}`);
    if (await removeIfThere(`${folder}/${name}`)) await this.directories.sync(folder);
    return bytes;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const folder = this.layout.notesRoot;
    await this.directories.within([folder], async () => {
      const temporary = this.layout.temporary();
      await writeDurably(temporary, bytes, this.directories.durability);
      await rename(temporary, `${folder}/${name}`);
    });
    await this.directories.sync(folder);
  }
}
