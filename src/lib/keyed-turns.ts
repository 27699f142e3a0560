/** Runs at most a number of tasks per key at a time. Others of the same key wait in order of arrival. */
import { Turns } from "./turns.js";

export class KeyedTurns {
  /** Keys with running or waiting tasks, and their number. */
  readonly #turns = new Map<string, { readonly turns: Turns; users: number }>();

  constructor(readonly atOnce: number) {}

  /** Returns the number of running and waiting tasks of the key. */
  size(key: string): number {
    return this.#turns.get(key)?.users ?? 0;
  }

  /** Runs `work` when its turn comes. Rejects with the reason of `signal` if it has been aborted by then. */
  async within<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const entry = this.#turns.get(key) ?? { turns: new Turns(this.atOnce), users: 0 };
    this.#turns.set(key, entry);
    entry.users++;
    await entry.turns.begin();
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      entry.turns.end();
      if (--entry.users === 0) this.#turns.delete(key);
    }
  }
}
