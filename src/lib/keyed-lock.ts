/**
 * Reader-writer locks by key, first come first served: many shared holders or one exclusive holder. They lock one digest, tag
 * or repository; nothing locks everything. They work within one process. Across processes the storage's own conditional
 * writes decide, or a lock of the cluster port.
 */
interface Waiter {
  readonly exclusive: boolean;
  readonly enter: () => void;
}

interface Lock {
  /** The number of shared holders, or -1 for an exclusive holder. */
  holders: number;
  readonly waiting: Waiter[];
}

export class KeyedLock<Key extends string> {
  readonly #locks = new Map<Key, Lock>();

  /** Runs `work` while no other caller holds `key`. */
  exclusive<T>(key: Key, work: () => Promise<T>): Promise<T> {
    return this.#with(key, true, work);
  }

  /** Runs `work` while no caller holds `key` exclusively. */
  shared<T>(key: Key, work: () => Promise<T>): Promise<T> {
    return this.#with(key, false, work);
  }

  isHeld(key: Key): boolean {
    return this.#locks.has(key);
  }

  /** Keys that are held or waited for. */
  get size(): number {
    return this.#locks.size;
  }

  async #with<T>(key: Key, exclusive: boolean, work: () => Promise<T>): Promise<T> {
    await this.#enter(key, exclusive);
    try {
      return await work();
    } finally {
      this.#leave(key);
    }
  }

  #enter(key: Key, exclusive: boolean): Promise<void> | undefined {
    const lock = this.#locks.get(key);
    if (lock === undefined) {
      this.#locks.set(key, { holders: exclusive ? -1 : 1, waiting: [] });
      return undefined;
    }
    if (!exclusive && lock.holders > 0 && lock.waiting.length === 0) {
      lock.holders++;
      return undefined;
    }
    return new Promise((enter) => lock.waiting.push({ exclusive, enter }));
  }

  #leave(key: Key): void {
    const lock = this.#locks.get(key);
    if (lock === undefined) throw new Error("invariant broken: left a lock that nobody holds");
    lock.holders = lock.holders === -1 ? 0 : lock.holders - 1;
    if (lock.holders > 0) return;
    const first = lock.waiting.shift();
    if (first === undefined) {
      this.#locks.delete(key);
      return;
    }
    lock.holders = first.exclusive ? -1 : 1;
    first.enter();
    while (lock.holders > 0 && lock.waiting[0]?.exclusive === false) {
      lock.holders++;
      lock.waiting.shift()?.enter();
    }
  }
}
