/**
 * Keeps directories open for syncing: a sync then costs one round trip to another thread instead of three (open, sync,
 * close), and a small push syncs seven (docs/decisions/0021).
 */
import { close, fstatSync, fsync, open } from "node:fs";
import { promisify } from "node:util";
import { LRUCache } from "lru-cache";

const openFile = promisify(open);
const syncFolder = promisify(fsync);

/** Three for each repository with concurrent pushes. */
const openDirectoriesMax = 256;

class OpenDirectory {
  #holders = 0;

  constructor(readonly descriptor: number) {}

  /** False if the directory was removed, and perhaps replaced by another. */
  get isThere(): boolean {
    return fstatSync(this.descriptor).nlink > 0;
  }

  hold(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    this.#holders--;
    // It is unused now, and no caller relies on changes that were not synced.
    if (this.#holders === 0) close(this.descriptor, () => {});
  }
}

export class OpenDirectories {
  readonly #kept = new LRUCache<string, OpenDirectory>({
    max: openDirectoriesMax,
    dispose: (directory) => directory.release(),
  });

  /** Syncs the directory, and keeps it open if `keep`. Rejects with the system's error. */
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

  /** Opens it for the caller, who must release it. */
  async #open(path: string, keep: boolean): Promise<OpenDirectory> {
    const directory = new OpenDirectory(await openFile(path, "r")).hold();
    if (keep) this.#kept.set(path, directory.hold());
    return directory;
  }

  close(): void {
    this.#kept.clear();
  }
}
