import { KeyedLock } from "../../lib/keyed-lock.js";
import type { StorePeers } from "./peers.js";

/** Locks by key, over all processes of the store. */
export class SharedKeyLock<Key extends string> {
  readonly #local = new KeyedLock<Key>();

  constructor(
    readonly kind: string,
    readonly peers: StorePeers | undefined,
  ) {}

  /** Runs `work` while no other process, nor other work here, runs with the same key. */
  exclusive<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const { kind, peers } = this;
    return this.#local.exclusive(
      key,
      peers === undefined ? work : () => peers.exclusive(`${kind} ${key}`, work),
    );
  }
}
