/** Limits the bytes per second of several transfers together. Each gets its turn by chunks, so a large one starves no other. */
import { setTimeout as pause } from "node:timers/promises";

export class RateLimit {
  /** When the bytes let through so far are used up, by `performance.now()`. */
  #free = 0;

  constructor(readonly bytesPerSecond: number) {}

  /** Resolves when `bytes` more may arrive. */
  async pass(bytes: number, signal: AbortSignal): Promise<void> {
    this.spend(bytes);
    const milliseconds = this.#free - performance.now();
    if (milliseconds > 1) await pause(milliseconds, undefined, { signal });
  }

  /** Counts bytes that do not wait; others wait for longer. */
  spend(bytes: number): void {
    this.#free = Math.max(this.#free, performance.now()) + (bytes / this.bytesPerSecond) * 1000;
  }
}
