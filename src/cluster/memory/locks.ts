/** Locks within one process, so a hold is never lost while its holder runs. */
import { KeyedLock } from "../../lib/keyed-lock.js";
import type { Hold, Locks } from "../cluster.js";

const neverLost: Hold = { confirm: () => {} };

export class MemoryLocks<Key extends string> implements Locks<Key> {
  readonly #locks = new KeyedLock<Key>();

  shared<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    return this.#locks.shared(key, () => work(neverLost));
  }

  exclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    return this.#locks.exclusive(key, () => work(neverLost));
  }

  get size(): number {
    return this.#locks.size;
  }
}
