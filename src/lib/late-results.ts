/**
 * Keeps results that came too late for their deadline, for whoever asks for the same next: otherwise, work that always takes
 * longer than a deadline would begin anew each time and never be seen. Results in time are kept by nobody.
 */
import type { Deadline } from "./deadline.js";

/** Whoever asks again does so within seconds; later, the result may be outdated. */
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
