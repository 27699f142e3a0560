/**
 * Directories that are kept open to be synced: each is then synced by one way to another thread instead of
 * three (open, sync, close), and a small push syncs seven (docs/decisions/0021).
 */
import { close, fstatSync, fsync, open } from "node:fs";
import { promisify } from "node:util";
import { LRUCache } from "lru-cache";

const openFile = promisify(open);
const syncFolder = promisify(fsync);

/** Of as many repositories as are pushed to at a time: three each. */
const openDirectoriesMax = 256;

class OpenDirectory {
  #holders = 0;

  constructor(readonly descriptor: number) {}

  /** Not so where somebody has removed it, and perhaps made another in its place. */
  get isThere(): boolean {
    return fstatSync(this.descriptor).nlink > 0;
  }

  hold(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    this.#holders--;
    // Nobody can use it any more, and what was not synced was promised to nobody.
    if (this.#holders === 0) close(this.descriptor, () => {});
  }
}

export class OpenDirectories {
  readonly #kept = new LRUCache<string, OpenDirectory>({
    max: openDirectoriesMax,
    dispose: (directory) => directory.release(),
  });

  /** Syncs the directory, and keeps it open if `keep`. Rejects with what the system says. */
  async sync(path: string, keep: boolean): Promise<void> {
    const kept = this.#kept.get(path);
    const directory = kept?.isThere ? kept.hold() : await this.#open(path, keep);
    try {
      await syncFolder(directory.descriptor);
    } catch (error) {
      this.#kept.delete(path);
      throw error;
    } finally {
      directory.release();
    }
  }

  /** Held for the caller. */
  async #open(path: string, keep: boolean): Promise<OpenDirectory> {
    const directory = new OpenDirectory(await openFile(path, "r")).hold();
    if (keep) this.#kept.set(path, directory.hold());
    return directory;
  }

  close(): void {
    this.#kept.clear();
  }
}
