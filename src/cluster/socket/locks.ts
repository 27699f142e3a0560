/**
 * Locks over all processes. Shared holders need no message. An exclusive holder asks the hub, which makes all other processes
 * hold their own lock on its behalf.
 */
import { Counts } from "../../lib/counts.js";
import { KeyedLock } from "../../lib/keyed-lock.js";
import type { Hold, Locks } from "../cluster.js";
import type { Peer } from "./peer.js";

/** A process that loses the hub ends at once. */
const neverLost: Hold = { confirm: () => {} };

export class SocketLocks<Key extends string> implements Locks<Key> {
  readonly #local = new KeyedLock<string>();
  /** Serializes this process's callers, so that only one waits at the hub. */
  readonly #asking = new KeyedLock<string>();
  readonly #callers = new Counts<Key>();
  /** Ends the holds on behalf of other processes, by token. */
  readonly #drains = new Map<string, () => void>();
  /** Keys that others held when this process joined, until they are released. */
  readonly inherited = new Map<string, Promise<void>>();

  constructor(
    /** Distinguishes the locks of different kinds. */
    readonly kind: string,
    readonly peer: Peer,
  ) {}

  get size(): number {
    return this.#callers.size;
  }

  shared<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    return this.#callers.during(key, () => this.#local.shared(key, () => work(neverLost)));
  }

  exclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    return this.#callers.during(key, () => this.#asking.exclusive(key, () => this.#exclusive(key, work)));
  }

  async #exclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    const token = await this.peer.askHub<"enter">({ kind: "enter", lock: this.kind, key });
    try {
      return await this.#local.exclusive(key, () => work(neverLost));
    } finally {
      this.peer.tell("hub", { kind: "leave", token });
    }
  }

  /** Holds this process's lock on behalf of another one, until that releases it. Resolves when it is held. */
  drain(key: string, token: string): Promise<void> {
    return new Promise((held) => {
      const released = new Promise<void>((release) => this.#drains.set(token, release));
      void this.#local.exclusive(key, () => {
        held();
        return released;
      });
    });
  }

  /** Like `drain`, for a lock that another process held before this one joined. */
  inherit(key: string, token: string): void {
    void this.drain(key, token);
    const release = this.#drains.get(token);
    const ended = new Promise<void>((resolve) => {
      this.#drains.set(token, () => {
        this.inherited.delete(key);
        release?.();
        resolve();
      });
    });
    this.inherited.set(key, ended);
  }

  release(token: string): void {
    this.#drains.get(token)?.();
    this.#drains.delete(token);
  }
}

/** Answers the questions about locks for all kinds. */
export function answerLocks({ handlers }: Peer, all: readonly SocketLocks<string>[]): void {
  handlers.on("drain", async ({ lock, key, token }) => {
    await all.find(({ kind }) => kind === lock)?.drain(key, token);
    return null;
  });
  handlers.on("release", ({ token }) => {
    for (const locks of all) locks.release(token);
    return null;
  });
}
