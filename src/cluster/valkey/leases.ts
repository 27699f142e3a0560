/**
 * Leases over all nodes. Each node keeps the leases that it granted, and looks there for the others. A node that does not
 * answer may have any lease.
 */
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Change, Leases, NodeName, ObjectKey } from "../cluster.js";
import { MemoryLeases, type SavedLeases } from "../memory/leases.js";
import { decodeLeases, encodeLeases } from "../memory/saved-leases.js";
import { leasesMax } from "../schemas.js";
import type { Engine } from "./engine.js";
import { nodeOf } from "./held.js";
import { inParts, Journals } from "./journals.js";
import type { LockParts } from "./locks.js";

/** How often a node that keeps an object condemned looks whether the asker is still there. */
const lookMilliseconds = 1_000;

/** A removal is protected by a lock, whose entry expires. After this many times its life, a silent node has ended it. */
const entryLives = 2;

/** Leases that a stopping node hands over, 6 MB at most. If it has more, collection pauses. */
const handedOverMax = 500_000;

const adoptMilliseconds = 5_000;

/** The key in the engine of the leases of the last node. */
const leftLeases = "leases";

export class ValkeyLeases implements Leases {
  readonly #local: MemoryLeases;
  readonly #journals: Journals;
  /** Ends the removals of other nodes here, by token. */
  readonly #removals = new Map<string, () => void>();
  #isStopping = false;

  constructor(
    readonly parts: LockParts,
    readonly leaseSeconds: number,
    tellHere: (change: Change) => Promise<void> | undefined,
    /** Repositories that were locked when this node joined: their objects may be condemned. */
    readonly inherited: ReadonlyMap<string, Promise<void>>,
  ) {
    this.#local = new MemoryLeases({ leaseSeconds }, tellHere);
    this.#journals = new Journals(parts);
    const { messages } = parts;
    messages.on("leased", async ({ name, digests }) => [...(await this.#local.leased(name, digests))]);
    messages.on("condemn", ({ name, digest, token }) => this.#condemnFor(name, digest, token));
    messages.on("adopt", ({ leases }) => {
      if (this.#isStopping) throw new Error("this node stops, too");
      this.#local.restore({ allUntil: 0, leases });
      return null;
    });
    messages.on("over", ({ token }) => {
      this.#removals.get(token)?.();
      return null;
    });
  }

  grant(key: ObjectKey): void {
    this.#local.grant(key);
  }

  renew(key: ObjectKey): void {
    this.#local.renew(key);
  }

  async during<T>(
    key: ObjectKey,
    look: () => T | undefined | Promise<T | undefined>,
  ): Promise<T | undefined> {
    if (this.inherited.size > 0) await this.inherited.get(key.slice(0, key.indexOf("@")));
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
    const limit = members.options.times.heldMilliseconds * entryLives;
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

  /**
   * Takes over the leases that the last node left in the engine, when this node is registered and before it serves: if it
   * dies with them, collection pauses.
   */
  async takeOver(engine: Engine): Promise<void> {
    const text = await engine.take(leftLeases);
    const saved = text === null ? undefined : decodeLeases(Buffer.from(text, "base64"));
    if (saved !== undefined) this.#local.restore(saved);
  }

  /**
   * Gives the leases of a node that stops to another one, or to the engine if this is the last node. Resolves with the
   * milliseconds for which collection must pause, because leases end with this node.
   */
  async handOver(engine: Engine): Promise<number> {
    this.#isStopping = true;
    const saved = this.#local.save();
    const { allUntil, leases } = saved;
    const pause = Math.max(0, allUntil * 1000 - Date.now());
    const all = this.leaseSeconds * 1000;
    if (leases.length === 0) return pause;
    if (leases.length > handedOverMax || !this.parts.members.isInTouch) return all;
    const others = this.parts.members.others();
    if (others.length > 0) return (await this.#giveToOne(others, leases)) ? pause : all;
    const text = encodeLeases(saved).toString("base64");
    return engine.put(leftLeases, text, all).then(
      () => pause,
      () => all,
    );
  }

  async #giveToOne(others: readonly NodeName[], leases: SavedLeases["leases"]): Promise<boolean> {
    const { members, messages } = this.parts;
    const node = others.find((name) => !members.isSilent(name));
    if (node === undefined) return false;
    for (let at = 0; at < leases.length; at += leasesMax) {
      const part = leases.slice(at, at + leasesMax).map(([hash, end]): [number, number] => [hash, end]);
      const asking = messages.ask<"adopt">(
        { kind: "adopt", leases: part },
        { of: [node], waitMilliseconds: adoptMilliseconds },
      );
      const answers = await asking.catch(() => undefined);
      if (answers === undefined || answers.silent.length > 0) return false;
    }
    return true;
  }

  async pausedUntil(): Promise<number> {
    const { members } = this.parts;
    // Unknown now, but certain to be over then.
    if (!members.isInTouch) return Date.now() + this.leaseSeconds * 1000;
    return Math.max(Date.now() + members.pausedFor, await this.#local.pausedUntil());
  }
}
