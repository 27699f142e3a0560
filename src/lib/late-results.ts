/**
 * Keeps a result that missed its deadline for the next request with the same key. Otherwise work that always takes longer than
 * a deadline would start again each time, and its result would never be shown. A result in time is not kept.
 */
import type { Deadline } from "./deadline.js";

/** The next request comes within seconds; later, the result may be outdated. */
const keptMilliseconds = 5_000;

/** Results at once. Without room, work begins anew. */
const keptMax = 256;

export class LateResults {
  readonly #late = new Map<string, Promise<unknown>>();

  /** Resolves like `work`, or like an earlier call's with this key that came too late; with `undefined` at the deadline. */
  async within<T>(key: string, deadline: Deadline, work: () => Promise<T>): Promise<T | undefined> {
    const running = (this.#late.get(key) as Promise<T> | undefined) ?? work();
    let ended = false;
    const end = () => {
      ended = true;
    };
    running.then(end, end);
    const result = await deadline.within(running);
    if (ended) this.#late.delete(key);
    else this.#keep(key, running);
    return result;
  }

  #keep(key: string, running: Promise<unknown>): void {
    if (this.#late.size >= keptMax || this.#late.has(key)) return;
    this.#late.set(key, running);
    const forget = () => {
      setTimeout(() => {
        if (this.#late.get(key) === running) this.#late.delete(key);
      }, keptMilliseconds).unref();
    };
    running.then(forget, forget);
  }
}
