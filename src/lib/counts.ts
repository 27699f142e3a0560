/** Counts by key. A key with none is forgotten. */
import { assert } from "./assert.js";

export class Counts<K> {
  readonly #counts = new Map<K, number>();

  /** Number of keys with at least one. */
  get size(): number {
    return this.#counts.size;
  }

  of(key: K): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: K): void {
    this.#counts.set(key, this.of(key) + 1);
  }

  /** Takes back an `add`. */
  remove(key: K): void {
    const left = this.of(key) - 1;
    assert(left >= 0, "what is removed was added");
    if (left === 0) this.#counts.delete(key);
    else this.#counts.set(key, left);
  }

  /** Counts `work` while it runs. */
  async during<T>(key: K, work: () => Promise<T>): Promise<T> {
    this.add(key);
    try {
      return await work();
    } finally {
      this.remove(key);
    }
  }
}
