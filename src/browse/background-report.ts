/** A report that takes long: computed in the background when somebody wants to see it, once at a time. */

export interface ReportLook<T> {
  /** The last result, if there is one. */
  readonly found: { readonly value: T; readonly computedAt: number } | undefined;
  /** Steps done by the running computation; `undefined` if none is running. */
  readonly done: number | undefined;
  /** Whether the last computation has failed. */
  readonly hasFailed: boolean;
}

/** A result is computed again after this time, if somebody looks. */
const freshMillisecondsMin = 60_000;

/** The computations may take this share of the time. */
const shareMax = 1 / 20;

export class BackgroundReport<T> {
  #found: ReportLook<T>["found"];
  #running: Promise<void> | undefined;
  #done = 0;
  #hasFailed = false;
  /** When the next computation may begin, by `performance.now()`. */
  #nextAt = 0;
  readonly #closing = new AbortController();

  constructor(
    /** Calls `onDone` with the steps done so far. Rejects if `signal` is aborted. */
    readonly compute: (signal: AbortSignal, onDone: (done: number) => void) => Promise<T>,
    readonly onError: (error: unknown) => void,
  ) {}

  /** Returns what is known, and begins a computation if that is old. */
  look(): ReportLook<T> {
    if (this.#running === undefined && performance.now() >= this.#nextAt && !this.#closing.signal.aborted)
      this.#running = this.#run();
    return {
      found: this.#found,
      done: this.#running === undefined ? undefined : this.#done,
      hasFailed: this.#hasFailed,
    };
  }

  /** Ends a running computation. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const begun = performance.now();
    this.#done = 0;
    try {
      const value = await this.compute(signal, (done) => {
        this.#done = done;
      });
      this.#found = { value, computedAt: Date.now() };
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      if (!signal.aborted) this.onError(error);
    } finally {
      const now = performance.now();
      this.#nextAt = now + Math.max(freshMillisecondsMin, (now - begun) / shareMax);
      this.#running = undefined;
    }
  }
}
