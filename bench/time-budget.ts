/** Divides a limited time among a known number of consecutive parts. */
import { setTimeout } from "node:timers/promises";

export class OutOfTime extends Error {}

export class TimeBudget {
  readonly #end: number;
  #partsLeft: number;

  /** `end` is by `performance.now()`, and may be infinite. */
  constructor(end: number, parts: number) {
    this.#end = end;
    this.#partsLeft = parts;
  }

  /** The end of the part that starts now: an even share of the remaining time, so that unused time goes to the others. */
  deadlineOfNext(): number {
    const now = performance.now();
    const share = (this.#end - now) / this.#partsLeft;
    this.#partsLeft -= 1;
    return now + share;
  }

  /** Rejects with `OutOfTime` when all time is used up; the work continues without a waiter. */
  async within<T>(work: () => Promise<T>): Promise<T> {
    const left = this.#end - performance.now();
    if (left <= 0) throw new OutOfTime();
    if (!Number.isFinite(left)) return await work();
    const alarm = new AbortController();
    const rings = setTimeout(left, undefined, { signal: alarm.signal }).then(() => {
      throw new OutOfTime();
    });
    rings.catch(() => {});
    try {
      return await Promise.race([work(), rings]);
    } finally {
      alarm.abort();
    }
  }
}
