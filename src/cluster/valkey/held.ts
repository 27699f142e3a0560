/** Entries of the engine's held table that this node has or watches: locks, requests for notes and runs of `once`. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { NodeName } from "../cluster.js";
import { nodeOf } from "../node-name.js";
import { type Engine, unavailable } from "./engine.js";
import type { Membership } from "./membership.js";
import { trustedFor } from "./times.js";

/** An entry of this node. */
export interface Entry {
  readonly name: string;
  readonly token: string;
  /** When the last renewal began. */
  renewedAt: number;
  isLost: boolean;
}

/** An entry of another node, whose end this node waits for. */
interface Watched {
  readonly name: string;
  readonly token: string;
  seenAt: number;
  readonly ended: () => void;
}

const acquired = z.tuple([z.string(), z.array(z.string())]);
const names = z.array(z.string());
const holders = z.tuple([z.string(), z.array(z.string())]);

/** Waiting for an entry of another node: the first pause and the longest one. */
const pauseMillisecondsMin = 10;
const pauseMillisecondsMax = 100;

/** A node that waits asks more often than this, also on a busy machine. Otherwise it loses its place. */
const placeMilliseconds = 2_000;

export class Held {
  readonly #own = new Set<Entry>();
  readonly #watched = new Set<Watched>();
  readonly #timers: readonly NodeJS.Timeout[];
  #tokens = 0;

  constructor(
    readonly engine: Engine,
    readonly members: Membership,
    readonly onError: (error: unknown) => void,
  ) {
    const { heldMilliseconds } = members.options.times;
    this.#timers = [
      setInterval(() => void this.#renew(), heldMilliseconds / 6).unref(),
      setInterval(() => void this.#watch(), heldMilliseconds / 30).unref(),
    ];
  }

  newToken(): string {
    return `${this.members.name}/${++this.#tokens}`;
  }

  /** Whether the entry is certain to be this node's. */
  isTrusted({ isLost, renewedAt }: Entry): boolean {
    return !isLost && performance.now() - renewedAt <= trustedFor(this.members.options.times);
  }

  /**
   * Resolves with this node's entry and the nodes that were registered then, or with the token of another holder. A caller
   * that `waits` asks again soon, and gets the entry before those that ask later.
   */
  async tryAcquire(
    name: string,
    token: string = this.newToken(),
    waits = false,
  ): Promise<{ entry: Entry; nodes: NodeName[] } | string> {
    const { engine, members } = this;
    const renewedAt = performance.now();
    const keys = ["held", "epoch", "members", `waiting ${name}`];
    const waiting = waits ? members.name : "";
    const { heldMilliseconds } = members.options.times;
    const reply = await engine
      .script("acquire", keys, [name, token, heldMilliseconds, members.epoch, waiting, placeMilliseconds])
      .catch((error: unknown) => {
        // The entry may have been made, and would block others until it expires.
        this.#release(name, token);
        throw unavailable("the engine does not answer", error);
      });
    const [holder, nodes] = acquired.parse(reply);
    if (holder !== token) return holder;
    const entry: Entry = { name, token, renewedAt, isLost: false };
    this.#own.add(entry);
    const others = nodes.filter((node) => node !== members.name) as NodeName[];
    return { entry, nodes: others };
  }

  /** Like `tryAcquire`, but waits while another node has the entry. Rejects with `cluster-unavailable` after that time. */
  async acquire(name: string, waitMilliseconds: number): Promise<{ entry: Entry; nodes: NodeName[] }> {
    const end = performance.now() + waitMilliseconds;
    for (let pause = pauseMillisecondsMin; ; pause = Math.min(pause * 1.5, pauseMillisecondsMax)) {
      const result = await this.tryAcquire(name, this.newToken(), true);
      if (typeof result !== "string") return result;
      if (performance.now() > end) throw unavailable(`the node ${nodeOf(result)} holds ${name}`);
      await sleep(pause);
    }
  }

  release(entry: Entry): void {
    this.#own.delete(entry);
    this.#release(entry.name, entry.token);
  }

  /** If the engine does not answer, the entry expires. */
  #release(name: string, token: string): void {
    this.engine.script("release", ["held"], [name, token]).catch(() => {});
  }

  /** Resolves with the token of the holder; empty if there is none. */
  async holderOf(name: string): Promise<string> {
    const [, [token = ""]] = holders.parse(await this.engine.script("holders", ["held", "epoch"], [name]));
    return token;
  }

  /** Calls `ended` when the entry of another node has ended, or can no longer be trusted by it. Returns how to stop that. */
  watch(name: string, token: string, ended: () => void): () => void {
    const watched: Watched = { name, token, seenAt: performance.now(), ended };
    this.#watched.add(watched);
    return () => this.#watched.delete(watched);
  }

  async #renew(): Promise<void> {
    const entries = [...this.#own];
    if (entries.length === 0) return;
    const begun = performance.now();
    const { heldMilliseconds } = this.members.options.times;
    try {
      const args = entries.flatMap(({ name, token }) => [name, token]);
      const lost = new Set(
        names.parse(await this.engine.script("renew", ["held"], [heldMilliseconds, ...args])),
      );
      for (const entry of entries) {
        if (lost.has(entry.name)) entry.isLost = true;
        else entry.renewedAt = begun;
      }
    } catch (error) {
      this.onError(error);
    }
  }

  async #watch(): Promise<void> {
    const watched = [...this.#watched];
    if (watched.length === 0) return;
    const begun = performance.now();
    const { epoch } = this.members;
    try {
      const args = watched.map(({ name }) => name);
      const [found, tokens] = holders.parse(await this.engine.script("holders", ["held", "epoch"], args));
      for (const [index, entry] of watched.entries()) {
        if (tokens[index] === entry.token) entry.seenAt = begun;
        // An emptied engine does not know whether it was released.
        else if (found === epoch && epoch === this.members.epoch) this.#end(entry);
      }
    } catch {
      // The engine does not answer: the holder cannot renew either, or notices that this node is silent.
    }
    const { heldMilliseconds } = this.members.options.times;
    for (const entry of watched) if (performance.now() - entry.seenAt > heldMilliseconds) this.#end(entry);
  }

  #end(entry: Watched): void {
    if (this.#watched.delete(entry)) entry.ended();
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const entry of this.#own) this.release(entry);
  }
}
