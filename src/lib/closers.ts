/**
 * A stack of closers, run in reverse order. A closer that fails is reported and the others still run, so that one broken
 * part does not keep the others from saving their state.
 */
export class Closers {
  readonly #stack: { readonly what: string; readonly close: () => unknown }[] = [];

  /** `onError` gets the error and the name under which the failed closer was added. */
  constructor(readonly onError: (error: unknown, what: string) => void) {}

  /** Adds a closer. If it returns a promise, `close` waits for it. */
  add(what: string, close: () => unknown): void {
    this.#stack.push({ what, close });
  }

  /** Runs all closers, the last one first. Never rejects. A second call does nothing. */
  async close(): Promise<void> {
    for (let next = this.#stack.pop(); next !== undefined; next = this.#stack.pop()) {
      try {
        await next.close();
      } catch (error) {
        this.onError(error, next.what);
      }
    }
  }
}
