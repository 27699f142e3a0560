/** Internal notes, each a small file that is written atomically. */
import type { NoteStore } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import { putDurably, removeIfThere } from "./files.js";
import type { Layout } from "./layout.js";
import type { Directories } from "./sync.js";

export class FileNotes implements NoteStore {
  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly checkedFiles: CheckedFiles,
  ) {}

  read(name: string): Promise<Buffer | undefined> {
    return this.checkedFiles.read(`${this.layout.notesRoot}/${name}`);
  }

  async take(name: string): Promise<Buffer | undefined> {
    const folder = this.layout.notesRoot;
    const bytes = await this.read(name);
    if (await removeIfThere(`${folder}/${name}`)) await this.directories.sync(folder);
    return bytes;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const folder = this.layout.notesRoot;
    await this.directories.within([folder], () =>
      putDurably(`${folder}/${name}`, bytes, this.layout.temporary(), this.directories.syncs),
    );
    await this.directories.sync(folder);
  }
}
