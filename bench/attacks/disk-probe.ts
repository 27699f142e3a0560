/**
 * Syncs a small file repeatedly while a server is attacked. A push also waits for syncs: if it took no longer than the
 * longest sync of this file, it waited for the disk, not for the server.
 */
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Rare enough to leave the disk to the server. */
const pauseMilliseconds = 20;

export class DiskProbe {
  #longestMilliseconds = 0;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor() {
    this.#done = this.#work();
    this.#done.catch(() => {}); // `stop` reports it.
  }

  /** Returns how long the longest sync took, in milliseconds. Throws if the file could not be written. */
  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#done;
    return this.#longestMilliseconds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #work(): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "gantry-bench-probe-"));
    try {
      await using file = await open(join(folder, "probe"), "w");
      while (!this.#stopped) {
        const since = performance.now();
        await file.write("x", 0);
        await file.datasync();
        this.#longestMilliseconds = Math.max(this.#longestMilliseconds, performance.now() - since);
        await sleep(pauseMilliseconds);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
