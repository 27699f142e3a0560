/** When an answer is due. Several steps of one request share a deadline; work that is not done by then goes on without them. */
import { setTimeout } from "node:timers/promises";

export class Deadline {
  readonly #end: number;

  /** `signal` is aborted when nobody waits for the answer any more. */
  constructor(
    milliseconds: number,
    readonly signal: AbortSignal = new AbortController().signal,
  ) {
    this.#end = performance.now() + milliseconds;
  }

  /** Returns a deadline after half of the time that is left. */
  half(): Deadline {
    return new Deadline(Math.max(0, this.#end - performance.now()) / 2, this.signal);
  }

  get isOver(): boolean {
    return performance.now() >= this.#end;
  }

  /**
   * Resolves like `work`, or with `undefined` if that has not ended in time. Rejects like `work`, or with the signal's reason if
   * that is aborted before.
   */
  async within<T>(work: Promise<T>): Promise<T | undefined> {
    this.signal.throwIfAborted();
    const ended = new AbortController();
    const left = Math.max(0, this.#end - performance.now());
    const late = setTimeout(left, undefined, { signal: AbortSignal.any([ended.signal, this.signal]) });
    // The loser of the race may reject later, when nobody listens.
    late.catch(() => {});
    work.catch(() => {});
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      this.signal.throwIfAborted();
      throw error;
    } finally {
      ended.abort();
    }
  }
}
