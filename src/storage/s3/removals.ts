/**
 * Removes objects that nobody needs any more, many with one request. Nobody waits for it: what a crash leaves is removed with
 * the abandoned uploads.
 */
import { everySeconds } from "../../lib/every-seconds.js";
import type { S3Client } from "./client.js";

const removedEverySeconds = 0.25;

/** S3 allows no more in one request. */
const keysAtOnceMax = 1000;

/** Keys that wait because the store fails, about 100 bytes each. Others are left to the search for abandoned uploads. */
const waitingMax = 20_000;

export class Removals {
  /** Those that are being removed come first. */
  readonly #waiting = new Set<string>();
  readonly #removing;

  constructor(
    readonly client: S3Client,
    onError: (error: unknown) => void,
  ) {
    this.#removing = everySeconds(removedEverySeconds, () => this.#remove(), onError);
  }

  add(key: string): void {
    if (this.#waiting.size < waitingMax) this.#waiting.add(key);
  }

  /** Returns whether the object is as good as removed. */
  has(key: string): boolean {
    return this.#waiting.has(key);
  }

  async #remove(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting].slice(0, keysAtOnceMax);
      await this.client.deleteAll(batch);
      for (const key of batch) this.#waiting.delete(key);
    }
  }

  /** Removes what is left. */
  async close(): Promise<void> {
    await this.#removing.stop();
    await this.#remove();
  }
}
