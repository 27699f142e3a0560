/** Moves damaged and stray files out of the store, for inspection by an operator. */
import { lstat, mkdir, rename } from "node:fs/promises";
import { dirname, relative } from "node:path";
import type { CheckedFiles } from "./checked-files.js";
import { ifThere } from "./files.js";
import type { Journal } from "./journal/journal.js";
import type { Layout } from "./layout.js";
import type { Directories } from "./sync.js";

export class Quarantine {
  /** Its records must not bring back what was moved. Opening it may move files, so it is set later. */
  journal: Journal | undefined;

  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly checkedFiles: CheckedFiles,
  ) {}

  /** Moves a file or directory to the same path below the quarantine. Returns whether it existed. */
  async take(path: string): Promise<boolean> {
    if (!(await this.checkedFiles.demandFolder(dirname(path)))) return false;
    const place = await this.#freePlace(`${this.layout.quarantineRoot}/${relative(this.layout.root, path)}`);
    // Not with `Directories`: operators remove these directories at will, and files here need not be durable.
    await mkdir(dirname(place), { recursive: true });
    await this.checkedFiles.demandFolder(dirname(place));
    const taken = await ifThere(rename(path, place).then(() => true));
    if (taken === undefined) return false;
    await this.directories.sync(dirname(path));
    await this.journal?.removed(path);
    return true;
  }

  /** Returns an unused path: earlier files from the same path are kept. */
  async #freePlace(place: string): Promise<string> {
    for (let count = 1; ; count++) {
      const free = count === 1 ? place : `${place}.${count}`;
      if ((await ifThere(lstat(free))) === undefined) return free;
    }
  }
}
