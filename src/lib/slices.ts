/**
 * Runs pieces of work that take milliseconds in different turns of the event loop, so that cheap requests are answered
 * between them. The clients take turns: one with many pieces delays another one's by one piece at a time.
 */
export class Slices {
  /** Waiting pieces by client. The client whose turn is next comes first. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #isRunning = false;

  /**
   * Resolves when the caller may work for some milliseconds. It must do so without waiting for anything. Rejects with the
   * reason of `signal` when that is aborted.
   */
  async next(client: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#leave(client, begin);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      const own = this.#waiting.get(client);
      if (own === undefined) this.#waiting.set(client, new Set([begin]));
      else own.add(begin);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isRunning || this.#waiting.size === 0) return;
    this.#isRunning = true;
    setImmediate(() => {
      this.#isRunning = false;
      this.#run();
    });
  }

  #run(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const [client, own] = first;
    const [begin] = own;
    this.#waiting.delete(client);
    if (begin !== undefined) own.delete(begin);
    if (own.size > 0) this.#waiting.set(client, own);
    this.#schedule();
    begin?.();
  }

  #leave(client: string, begin: () => void): void {
    const own = this.#waiting.get(client);
    own?.delete(begin);
    if (own?.size === 0) this.#waiting.delete(client);
  }
}
