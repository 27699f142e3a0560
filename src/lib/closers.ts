/**
 * What has been opened, to be closed in the opposite order. One that fails is reported, and the rest is closed all the
 * same: a stop must not leave unsaved what comes later because something else is broken.
 */
export class Closers {
  readonly #stack: { readonly what: string; readonly close: () => unknown }[] = [];

  /** `onError` is told which closer failed, by the name that it was added with. */
  constructor(readonly onError: (error: unknown, what: string) => void) {}

  /** `close` is waited for if it returns a promise. */
  add(what: string, close: () => unknown): void {
    this.#stack.push({ what, close });
  }

  /** Closes everything that was added, the last first. Never rejects; a second call has nothing left to do. */
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
