/**
 * Locks over all nodes. Shared holders need no message: each node keeps its own. An exclusive holder first takes the entry in
 * the engine, and then every node's own lock, which that node keeps on its behalf.
 */
import type { RegistryError } from "../../domain/errors.js";
import { Counts } from "../../lib/counts.js";
import { KeyedLock } from "../../lib/keyed-lock.js";
import type { Hold, Locks, NodeName } from "../cluster.js";
import { unavailable } from "./engine.js";
import type { Entry, Held } from "./held.js";
import type { HeldEntries, Membership } from "./membership.js";
import type { Messages } from "./messages.js";
import { noticedAfter, trustedFor } from "./times.js";

/** Another node's exclusive hold may take as long as its removals. */
const waitMillisecondsMax = 600_000;

/** The parts that all locks of a node share. */
export interface LockParts {
  readonly members: Membership;
  readonly messages: Messages;
  readonly held: Held;
}

export class ValkeyLocks<Key extends string> implements Locks<Key> {
  readonly #local = new KeyedLock<string>();
  /** Serializes this node's callers, so that only one asks the engine. */
  readonly #asking = new KeyedLock<string>();
  readonly #callers = new Counts<Key>();
  /** Ends the holds on behalf of other nodes, by token. */
  readonly drains = new Map<string, () => void>();
  /** Keys that others held exclusively when this node joined, until they are released. */
  readonly inherited = new Map<string, Promise<void>>();

  constructor(
    /** Distinguishes the locks of different kinds. */
    readonly kind: string,
    readonly parts: LockParts,
  ) {
    parts.members.listen({ joined: (held) => this.#join(held) });
  }

  get size(): number {
    return this.#callers.size;
  }

  shared<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    const { members } = this.parts;
    return this.#callers.during(key, () =>
      this.#local.shared(key, () => {
        const { generation } = members;
        const confirm = () => {
          if (members.isForgotten || members.generation !== generation)
            throw unavailable("this node was out of touch with the other nodes for too long");
        };
        confirm();
        return work({ confirm });
      }),
    );
  }

  exclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    return this.#callers.during(key, () => this.#asking.exclusive(key, () => this.#exclusive(key, work)));
  }

  async #exclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    const { held, messages } = this.parts;
    this.#refuseUnsettled();
    const { entry, nodes } = await held.acquire(this.#nameOf(key), waitMillisecondsMax);
    try {
      return await this.#local.exclusive(key, async () => {
        await this.#drain(key, entry, nodes);
        return work({ confirm: () => this.#confirm(entry, nodes) });
      });
    } finally {
      held.release(entry);
      if (nodes.length > 0) messages.tell({ kind: "release", token: entry.token });
    }
  }

  #refuseUnsettled(): void {
    const { members } = this.parts;
    if (!members.isInTouch) throw unavailable("this node is out of touch with the other nodes");
    // Asking would only take longer: a collection would ask for each object, and a stop waits for the collection.
    const noticed = noticedAfter(members.options.times);
    const silent = members.others().find((name) => (members.silentFor(name) ?? 0) > noticed);
    if (silent !== undefined) throw this.#missing(silent);
    if (members.unsettledFor === 0) return;
    const seconds = Math.ceil(members.unsettledFor / 1000);
    throw unavailable(
      `the engine has lost its data, or is new; nodes need another ${seconds} s to find each other`,
    );
  }

  async #drain(key: Key, { token }: Entry, nodes: readonly NodeName[]): Promise<void> {
    const { members, messages } = this.parts;
    if (nodes.length === 0) return;
    const { silent } = await messages.ask<"drain">(
      { kind: "drain", lock: this.kind, key, token },
      { of: nodes },
    );
    const missing = silent.find((name) => members.isMember(name));
    if (missing !== undefined) throw this.#missing(missing);
  }

  #missing(missing: NodeName): RegistryError {
    const { members } = this.parts;
    if (members.isApart(missing))
      return unavailable(`the ${missing} works without the engine; it must reach the engine again, or end`);
    const left = members.options.times.memberMilliseconds - (members.silentFor(missing) ?? 0);
    const seconds = Math.max(1, Math.ceil(left / 1000));
    return unavailable(
      `the ${missing} does not answer; if it has ended, it will be forgotten in ${seconds} s`,
    );
  }

  /** A node that was drained keeps its lock for as long as it can be out of touch here. */
  #confirm(entry: Entry, nodes: readonly NodeName[]): void {
    const { members, held } = this.parts;
    const limit = trustedFor(members.options.times);
    // One that is gone may have been out of touch before.
    const lost = nodes.find((name) => (members.silentFor(name) ?? Number.POSITIVE_INFINITY) > limit);
    if (held.isTrusted(entry) && lost === undefined) return;
    throw unavailable(
      lost === undefined ? "the lock was lost: the engine does not answer" : `the ${lost} does not answer`,
    );
  }

  /**
   * Holds this node's lock on behalf of another node, until that releases it or its entry has ended. Resolves when it is held.
   */
  drain(key: string, token: string): Promise<void> {
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const unwatch = this.parts.held.watch(this.#nameOf(key), token, () => this.drains.get(token)?.());
    this.drains.set(token, () => {
      this.drains.delete(token);
      unwatch();
      release();
    });
    return new Promise((resolve) => {
      void this.#local.exclusive(key, async () => {
        resolve();
        await released;
      });
    });
  }

  #join(held: HeldEntries): void {
    const prefix = this.#nameOf("");
    for (const [name, value] of held) {
      if (!name.startsWith(prefix)) continue;
      const [key, token] = [name.slice(prefix.length), value.slice(0, value.indexOf(" "))];
      if (token.startsWith(`${this.parts.members.name}/`)) continue;
      void this.drain(key, token);
      const end = this.drains.get(token) ?? (() => {});
      this.inherited.set(
        key,
        new Promise((resolve) => {
          this.drains.set(token, () => {
            this.inherited.delete(key);
            end();
            resolve();
          });
        }),
      );
    }
  }

  #nameOf(key: string): string {
    return `${this.kind} ${key}`;
  }
}

/** Answers the questions about locks for all kinds. */
export function answerLocks(messages: Messages, all: readonly ValkeyLocks<string>[]): void {
  messages.on("drain", async ({ lock, key, token }) => {
    await all.find(({ kind }) => kind === lock)?.drain(key, token);
    return null;
  });
  messages.on("release", ({ token }) => {
    for (const { drains } of all) drains.get(token)?.();
    return null;
  });
}
