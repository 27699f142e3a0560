/** Limits the bytes per second of all transfers of an import together. */
import { setTimeout as pause } from "node:timers/promises";

export class RateLimit {
  /** When the bytes let through so far are used up, by `performance.now()`. */
  #free = 0;

  constructor(readonly bytesPerSecond: number) {}

  /** Resolves when `bytes` more may arrive. */
  async pass(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#free = Math.max(this.#free, now) + (bytes / this.bytesPerSecond) * 1000;
    const milliseconds = this.#free - now;
    if (milliseconds > 1) await pause(milliseconds, undefined, { signal });
  }
}
