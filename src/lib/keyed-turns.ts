/** Lets so many run at a time for each key; the others of that key wait for their turn, in the order in which they came. */
import { Turns } from "./turns.js";

export class KeyedTurns {
  /** Of keys for which anything runs or waits, with how much that is. */
  readonly #turns = new Map<string, { readonly turns: Turns; users: number }>();

  constructor(readonly atOnce: number) {}

  /** Runs `work` when its turn comes. Rejects with the signal's reason if that has aborted by then. */
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
