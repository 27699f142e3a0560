/** Deals out a limited time to a known number of parts that run one after the other. */
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

  /** When the part that begins now should end: an even share of what is left, so that what one saves the others have. */
  deadlineOfNext(): number {
    const now = performance.now();
    const share = (this.#end - now) / this.#partsLeft;
    this.#partsLeft -= 1;
    return now + share;
  }

  /** Rejects with `OutOfTime` when all time is used up; the work then goes on, and nobody waits for it. */
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
