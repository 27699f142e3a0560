/** A folder of blobs by digest, with syncs shared by all waiting callers. */
import { fsync, openSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export class Folder {
  readonly #descriptor: number;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(readonly path: string) {
    this.#descriptor = openSync(path, "r");
  }

  pathOf(name: string): string {
    return join(this.path, name);
  }

  /** Resolves when the name is on stable storage. */
  async keep(temporary: string, digest: string): Promise<void> {
    await rename(this.pathOf(temporary), this.pathOf(digest));
    await this.#sync();
  }

  /** A running sync may have started before the rename: the next one counts. */
  #sync(): Promise<void> {
    this.#next ??= (this.#running ?? Promise.resolve()).then(() => {
      this.#running = this.#next;
      this.#next = undefined;
      return promisify(fsync)(this.#descriptor);
    });
    return this.#next;
  }
}
