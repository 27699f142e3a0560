/** A bound on the bytes a second that all transfers of an import have together. */
import { setTimeout as pause } from "node:timers/promises";

export class RateLimit {
  /** When what has been let through is used up, by `performance.now()`. */
  #free = 0;

  constructor(readonly bytesPerSecond: number) {}

  /** Resolves when so many bytes more may have come. */
  async pass(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#free = Math.max(this.#free, now) + (bytes / this.bytesPerSecond) * 1000;
    const milliseconds = this.#free - now;
    if (milliseconds > 1) await pause(milliseconds, undefined, { signal });
  }
}
