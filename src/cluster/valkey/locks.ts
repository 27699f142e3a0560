/** Locks over all nodes. An exclusive holder first takes the entry in the engine, and then every node's own lock. */
import type { RegistryError } from "../../domain/errors.js";
import type { Hold, NodeName } from "../cluster.js";
import { NodeLocks } from "../node-locks.js";
import { nodeOf } from "../node-name.js";
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

export class ValkeyLocks<Key extends string> extends NodeLocks<Key> {
  constructor(
    kind: string,
    readonly parts: LockParts,
  ) {
    super(kind);
    parts.members.listen({ joined: (held) => this.#join(held) });
  }

  protected withShared<T>(work: (hold: Hold) => Promise<T>): Promise<T> {
    const { members } = this.parts;
    const { generation } = members;
    const confirm = () => {
      if (members.isForgotten || members.generation !== generation)
        throw unavailable("this node was out of touch with the other nodes for too long");
    };
    confirm();
    return work({ confirm });
  }

  protected async withExclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    const { held, messages } = this.parts;
    this.#refuseUnsettled();
    const { entry, nodes } = await held.acquire(this.#nameOf(key), waitMillisecondsMax);
    try {
      return await this.local.exclusive(key, async () => {
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

  /** Releases it, too, when the other node's entry has ended. */
  override drain(key: string, token: string, onReleased: () => void = () => {}): Promise<void> {
    const unwatch = this.parts.held.watch(this.#nameOf(key), token, () => this.release(token));
    return super.drain(key, token, () => {
      unwatch();
      onReleased();
    });
  }

  #join(held: HeldEntries): void {
    const prefix = this.#nameOf("");
    for (const [name, value] of held) {
      if (!name.startsWith(prefix)) continue;
      const [key, token] = [name.slice(prefix.length), value.slice(0, value.indexOf(" "))];
      if (nodeOf(token) !== this.parts.members.name) this.inherit(key, token);
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
    for (const locks of all) locks.release(token);
    return null;
  });
}
