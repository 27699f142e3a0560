/** Leases over all nodes that share an engine. A node that does not answer may have any lease. */
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { batchesOf } from "../../lib/batches.js";
import type { Change, Leases, NodeName } from "../cluster.js";
import { MemoryLeases, type SavedLeases } from "../memory/leases.js";
import { decodeLeases, encodeLeases } from "../memory/saved-leases.js";
import { NodeLeases } from "../node-leases.js";
import { nodeOf } from "../node-name.js";
import { digestsMax, leasesMax } from "../schemas.js";
import type { Engine } from "./engine.js";
import type { LockParts } from "./locks.js";
import { ValkeyNotes } from "./notes.js";

/** How often a node that keeps an object condemned looks whether the asker is still there. */
const lookMilliseconds = 1_000;

/** A removal is protected by a lock, whose entry expires. After this many times its life, a silent node has ended it. */
const entryLives = 2;

/** Leases that a stopping node hands over, 6 MB at most. If it has more, collection pauses. */
const handedOverMax = 500_000;

const adoptMilliseconds = 5_000;

/** The key in the engine of the leases of the last node. */
const leftLeases = "leases";

export class ValkeyLeases extends NodeLeases implements Leases {
  readonly #notes: ValkeyNotes;
  #isStopping = false;

  constructor(
    readonly parts: LockParts,
    readonly leaseSeconds: number,
    tellHere: (change: Change) => Promise<void> | undefined,
    inherited: ReadonlyMap<string, Promise<void>>,
  ) {
    super(new MemoryLeases({ leaseSeconds }, tellHere), inherited);
    this.#notes = new ValkeyNotes(parts);
    const { messages } = parts;
    messages.on("leased", async ({ name, digests }) => [...(await this.local.leased(name, digests))]);
    messages.on("condemn", ({ name, digest, token }) => this.condemnFor(name, digest, token));
    messages.on("adopt", ({ leases }) => {
      if (this.#isStopping) throw new Error("this node stops, too");
      this.local.restore({ allUntil: 0, leases });
      return null;
    });
    messages.on("over", ({ token }) => {
      this.over(token);
      return null;
    });
  }

  async leased(name: RepositoryName, digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    if (this.#isPaused()) return new Set(digests);
    const leased = new Set(await this.local.leased(name, digests));
    for (const part of batchesOf(digests, digestsMax)) {
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
    return this.local.condemn(name, digest, async () => {
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

  protected watch(token: string, end: () => void): () => void {
    const { members } = this.parts;
    const limit = members.options.times.heldMilliseconds * entryLives;
    let silentSince = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      if (members.isInTouch && !members.isSilent(nodeOf(token))) silentSince = now;
      if (now - silentSince > limit) end();
    }, lookMilliseconds).unref();
    return () => clearInterval(timer);
  }

  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined {
    return this.#notes.note(name, digests);
  }

  withNotes<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    return this.#notes.with(name, work);
  }

  /**
   * Takes over the leases that the last node left in the engine, when this node is registered and before it serves: if it
   * dies with them, collection pauses.
   */
  async takeOver(engine: Engine): Promise<void> {
    const text = await engine.take(leftLeases);
    const saved = text === null ? undefined : decodeLeases(Buffer.from(text, "base64"));
    if (saved !== undefined) this.local.restore(saved);
  }

  /**
   * Gives the leases of a node that stops to another one, or to the engine if this is the last node. Resolves with the
   * milliseconds for which collection must pause, because leases end with this node.
   */
  async handOver(engine: Engine): Promise<number> {
    this.#isStopping = true;
    const saved = this.local.save();
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
    for (const part of batchesOf(leases, leasesMax)) {
      const asking = messages.ask<"adopt">(
        { kind: "adopt", leases: part.map(([hash, end]) => [hash, end]) },
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
    return Math.max(Date.now() + members.pausedFor, await this.local.pausedUntil());
  }
}
