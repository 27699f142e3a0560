/**
 * Runs pieces of work that take milliseconds in different turns of the event loop, so that cheap requests are answered
 * between them. The clients take turns, so that one with many pieces does not keep the others waiting.
 */
export class Slices {
  /** Waiting pieces by client. The client whose turn is next comes first. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #isScheduled = false;

  /**
   * Resolves when the caller may work for some milliseconds. The caller must start at once and await nothing meanwhile.
   * Rejects with the reason of `signal` if that is aborted first.
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
    if (this.#isScheduled || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
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
