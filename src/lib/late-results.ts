/**
 * Keeps a result that missed its deadline for the next request with the same key. Otherwise work that always takes longer than
 * a deadline would start again each time, and its result would never be shown. A result in time is not kept.
 */
import type { Deadline } from "./deadline.js";
import { Places } from "./places.js";

/** The next request comes within seconds; later, the result may be outdated. */
const keptMilliseconds = 5_000;

/** Results at once. Without room, work begins anew. */
const keptMax = 256;

/** Work that runs, of all clients and of one. Each may wait for some 16 requests to a bucket, whose connections pulls need. */
const runningMax = 128;
const runningPerClientMax = 16;

export class LateResults {
  readonly #late = new Map<string, Promise<unknown>>();
  readonly #running = new Places(runningMax, runningPerClientMax);

  /**
   * Resolves like `work`, or like an earlier call's with this key that came too late. Resolves with `undefined` at the deadline,
   * or if too much work runs, in total or for this client.
   */
  async within<T>(
    key: string,
    deadline: Deadline,
    work: () => Promise<T>,
    client = "",
  ): Promise<T | undefined> {
    const running = (this.#late.get(key) as Promise<T> | undefined) ?? this.#begin(work, client);
    if (running === undefined) return undefined;
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

  #begin<T>(work: () => Promise<T>, client: string): Promise<T> | undefined {
    if (!this.#running.enter(client)) return undefined;
    const running = work();
    const leave = () => this.#running.leave(client);
    running.then(leave, leave);
    return running;
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
