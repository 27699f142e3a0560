/** When an answer is due. Several steps of one request share a deadline; work that is not done by then goes on without them. */

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
   * that is aborted before. A page calls it ten times: combined signals would take most of a busy server's time for collecting
   * garbage.
   */
  async within<T>(work: Promise<T>): Promise<T | undefined> {
    const { signal } = this;
    // The loser of the race may reject later, when nobody listens.
    work.catch(() => {});
    signal.throwIfAborted();
    const left = Math.max(0, this.#end - performance.now());
    return new Promise<T | undefined>((resolve, reject) => {
      const timer = setTimeout(() => {
        end();
        resolve(undefined);
      }, left);
      const leave = () => {
        end();
        reject(signal.reason);
      };
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", leave);
      };
      signal.addEventListener("abort", leave, { once: true });
      work.finally(end).then(resolve, reject);
    });
  }
}
