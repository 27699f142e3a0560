/** Takes what is damaged or in the way out of the store, to where an operator can look at it. */
import { lstat, mkdir, rename } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { ifThere } from "./files.js";
import type { Layout } from "./layout.js";
import type { Directories } from "./sync.js";

export class Quarantine {
  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
  ) {}

  /** Moves a file or folder to the same place below the quarantine. Whether it was there. */
  async take(path: string): Promise<boolean> {
    const place = await this.#freePlace(`${this.layout.quarantineRoot}/${relative(this.layout.root, path)}`);
    // Not by `Directories`: an operator removes these folders at will, and what lies here need not last.
    await mkdir(dirname(place), { recursive: true });
    const taken = await ifThere(rename(path, place).then(() => true));
    if (taken === undefined) return false;
    await this.directories.sync(dirname(path));
    return true;
  }

  /** What was taken before from the same place stays. */
  async #freePlace(place: string): Promise<string> {
    for (let count = 1; ; count++) {
      const free = count === 1 ? place : `${place}.${count}`;
      if ((await ifThere(lstat(free))) === undefined) return free;
    }
  }
}
