/**
 * Leases over all nodes. Each node keeps the leases that it granted, and looks there for the others. A node that does not
 * answer may have any lease.
 */
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Change, Leases, ObjectKey } from "../cluster.js";
import { MemoryLeases } from "../memory/leases.js";
import { unavailable } from "./engine.js";
import { nodeOf } from "./held.js";
import { inParts, Journals } from "./journals.js";
import type { LockParts } from "./locks.js";

/** How often a node that keeps an object condemned looks whether the asker is still there. */
const lookMilliseconds = 1_000;

/** A node out of touch for this many times the life of an entry has ended its removal, which a lock protected. */
const lives = 2;

export class ValkeyLeases implements Leases {
  readonly #local: MemoryLeases;
  readonly #journals: Journals;
  /** Ends the removals of other nodes here, by token. */
  readonly #removals = new Map<string, () => void>();
  /** Whether anything may be leased by this node only. */
  hasGranted = false;

  constructor(
    readonly parts: LockParts,
    leaseSeconds: number,
    tellHere: (change: Change) => Promise<void> | undefined,
    /** Repositories that were locked when this node joined: their objects may be condemned. */
    readonly inherited: ReadonlyMap<string, Promise<void>>,
  ) {
    this.#local = new MemoryLeases({ leaseSeconds }, tellHere);
    this.#journals = new Journals(parts);
    const { messages } = parts;
    messages.on("leased", async ({ name, digests }) => [...(await this.#local.leased(name, digests))]);
    messages.on("condemn", ({ name, digest, token }) => this.#condemnFor(name, digest, token));
    messages.on("over", ({ token }) => {
      this.#removals.get(token)?.();
      return null;
    });
  }

  grant(key: ObjectKey): void {
    this.hasGranted = true;
    this.#local.grant(key);
  }

  renew(key: ObjectKey): void {
    this.hasGranted = true;
    this.#local.renew(key);
  }

  async during<T>(
    key: ObjectKey,
    look: () => T | undefined | Promise<T | undefined>,
  ): Promise<T | undefined> {
    if (this.inherited.size > 0) await this.inherited.get(key.slice(0, key.indexOf("@")));
    this.hasGranted = true;
    return this.#local.during(key, look);
  }

  async leased(name: RepositoryName, digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    if (this.#isPaused()) return new Set(digests);
    const leased = new Set(await this.#local.leased(name, digests));
    for (const part of inParts(digests)) {
      const { given, silent } = await this.parts.messages.ask<"leased">({
        kind: "leased",
        name,
        digests: part,
      });
      if (silent.some((node) => this.parts.members.isMember(node)) || !this.parts.members.isInTouch)
        return new Set(digests);
      for (const found of given.values()) for (const digest of found) leased.add(digest);
    }
    return leased;
  }

  async condemn<T>(name: RepositoryName, digest: Digest, removal: () => Promise<T>): Promise<T | "leased"> {
    const { messages, members, held } = this.parts;
    if (this.#isPaused()) return "leased";
    return this.#local.condemn(name, digest, async () => {
      const token = held.newToken();
      try {
        const { given, silent } = await messages.ask<"condemn">({ kind: "condemn", name, digest, token });
        const isUnknown = silent.some((node) => members.isMember(node)) || !members.isInTouch;
        if (isUnknown || [...given.values()].includes(true)) return "leased";
        return await removal();
      } finally {
        if (members.others().length > 0) messages.tell({ kind: "over", token });
      }
    });
  }

  #isPaused(): boolean {
    const { members } = this.parts;
    return !members.isInTouch || members.pausedFor > 0;
  }

  /** Resolves with whether the object is leased here. If not, it counts as removed until the asker has ended. */
  #condemnFor(name: RepositoryName, digest: Digest, token: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const removed = this.#local.condemn(name, digest, () => {
        resolve(false);
        return this.#untilOver(token);
      });
      removed.then((result) => result === "leased" && resolve(true), reject);
    });
  }

  #untilOver(token: string): Promise<void> {
    const { members } = this.parts;
    const limit = members.options.times.heldMilliseconds * lives;
    const begun = performance.now();
    let silentSince = begun;
    return new Promise((resolve) => {
      const end = () => {
        clearInterval(timer);
        this.#removals.delete(token);
        resolve();
      };
      const timer = setInterval(() => {
        const now = performance.now();
        if (members.isInTouch && !members.isSilent(nodeOf(token))) silentSince = now;
        if (now - silentSince > limit) end();
      }, lookMilliseconds).unref();
      this.#removals.set(token, end);
    });
  }

  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined {
    return this.#journals.note(name, digests);
  }

  withJournal<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    return this.#journals.with(name, work);
  }

  async pausedUntil(): Promise<number> {
    const { members } = this.parts;
    if (!members.isInTouch) throw unavailable("this node is out of touch with the other nodes");
    return Math.max(Date.now() + members.pausedFor, await this.#local.pausedUntil());
  }
}
