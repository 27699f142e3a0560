/** Runs the tasks of each key one after the other, in order of arrival, also after one that failed. */
export class InSequence<Key> {
  /** The last task of each key with tasks. */
  readonly #tails = new Map<Key, Promise<unknown>>();

  /** Returns whether a task of the key is running or waiting. */
  has(key: Key): boolean {
    return this.#tails.has(key);
  }

  async run<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const mine = before === undefined ? work() : before.then(work, work);
    this.#tails.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    }
  }
}
