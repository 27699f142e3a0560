/**
 * Locks over all nodes. Shared holders need no message: each node keeps its own lock. While another node holds a key exclusively,
 * this node holds its own lock on behalf of it.
 */
import { Counts } from "../lib/counts.js";
import { KeyedLock } from "../lib/keyed-lock.js";
import type { Hold, Locks } from "./cluster.js";

export abstract class NodeLocks<Key extends string> implements Locks<Key> {
  protected readonly local = new KeyedLock<string>();
  /** Serializes this node's callers, so that only one asks the others. */
  readonly #asking = new KeyedLock<string>();
  readonly #callers = new Counts<Key>();
  /** Ends the holds on behalf of other nodes, by token. */
  readonly #drains = new Map<string, () => void>();
  /** Keys that others held when this node joined, until they are released. */
  readonly inherited = new Map<string, Promise<void>>();

  constructor(
    /** Distinguishes the locks of different kinds. */
    readonly kind: string,
  ) {}

  get size(): number {
    return this.#callers.size;
  }

  shared<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    return this.#callers.during(key, () => this.local.shared(key, () => this.withShared(work)));
  }

  exclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    return this.#callers.during(key, () => this.#asking.exclusive(key, () => this.withExclusive(key, work)));
  }

  /** Runs `work` while this node's own lock is shared. */
  protected abstract withShared<T>(work: (hold: Hold) => Promise<T>): Promise<T>;

  /** Runs `work` while no other node, nor any other caller here, holds the key. */
  protected abstract withExclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T>;

  /** Holds this node's lock on behalf of another node, until `release`. Resolves when it is held. */
  drain(key: string, token: string, onReleased: () => void = () => {}): Promise<void> {
    const released = new Promise<void>((release) => this.#drains.set(token, release)).then(onReleased);
    return new Promise((held) => {
      void this.local.exclusive(key, () => {
        held();
        return released;
      });
    });
  }

  /** Like `drain`, for a key that another node held before this one joined. */
  inherit(key: string, token: string): void {
    const released = new Promise<void>((release) => void this.drain(key, token, release));
    this.inherited.set(
      key,
      released.then(() => void this.inherited.delete(key)),
    );
  }

  release(token: string): void {
    this.#drains.get(token)?.();
    this.#drains.delete(token);
  }
}
