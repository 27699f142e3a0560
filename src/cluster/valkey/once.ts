/**
 * Runs work on one of all nodes, with an entry in the engine's held table. Nodes that wait ask the one that runs it every
 * second to be told how far it is, so that it knows whether anybody watches.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { describeError } from "../../lib/describe-error.js";
import { Abandoned, type NodeName, noteCharactersMax, type Reporter } from "../cluster.js";
import { MemoryOnce } from "../memory/once.js";
import { nodeOf } from "../node-name.js";
import { type Engine, unavailable } from "./engine.js";
import type { Entry, Held } from "./held.js";
import type { Membership } from "./membership.js";
import type { Messages } from "./messages.js";

const pauseMilliseconds = 100;

/** After this time without a new note, a waiting node runs the work as well. Most work reads or writes a few objects. */
const waitMillisecondsMax = 120_000;

/** Nodes that wait for the work learn within this time how it has ended. */
const endedMilliseconds = 10_000;

const watchMilliseconds = 1_000;
/** A node that has not asked for this long does not watch any more. */
const watchedMilliseconds = 5_000;

type OnNote = (note: string) => void;

/** How work has ended. */
const ending = z.object({ error: z.string().optional(), note: z.string().max(noteCharactersMax).optional() });

type Ending = z.output<typeof ending>;

/** Work of this node. */
class Run implements Reporter {
  readonly #watchedAt = new Map<NodeName, number>();
  #last: string | undefined;

  constructor(
    readonly token: string,
    /** Tells the callers on this node. */
    readonly local: Reporter,
    readonly messages: Messages,
  ) {}

  get last(): string | undefined {
    return this.#last;
  }

  get isWatched(): boolean {
    const oldest = performance.now() - watchedMilliseconds;
    for (const [node, at] of this.#watchedAt) if (at < oldest) this.#watchedAt.delete(node);
    return this.local.isWatched || this.#watchedAt.size > 0;
  }

  report(note: string): void {
    this.#last = note;
    this.local.report(note);
    for (const node of this.#watchedAt.keys()) this.#send(node, note);
  }

  /** Answers with the last note, because an earlier message may have been lost. */
  watch(node: NodeName): void {
    this.#watchedAt.set(node, performance.now());
    if (this.#last !== undefined) this.#send(node, this.#last);
  }

  #send(node: NodeName, note: string): void {
    this.messages.tell({ kind: "report", token: this.token, note }, node);
  }
}

/** How a caller waits for the work of another node. */
interface Wait {
  /** When it stops to wait. */
  readonly end: number;
  readonly isWatching: boolean;
}

export class ValkeyOnce {
  readonly #local = new MemoryOnce();
  /** By token. */
  readonly #runs = new Map<string, Run>();
  readonly #listeners = new Map<string, OnNote>();

  constructor(
    readonly engine: Engine,
    readonly members: Membership,
    readonly held: Held,
    readonly messages: Messages,
  ) {
    messages.on("watch", ({ token }, from) => {
      this.#runs.get(token)?.watch(from);
      return null;
    });
    messages.on("report", ({ token, note }) => {
      this.#listeners.get(token)?.(note);
      return null;
    });
  }

  run(key: string, work: (reporter: Reporter) => Promise<void>, onNote?: OnNote): Promise<void> {
    return this.#local.run(key, (local) => this.#anywhere(`once ${key}`, work, local, onNote), onNote);
  }

  async #anywhere(
    name: string,
    work: (reporter: Reporter) => Promise<void>,
    local: Reporter,
    onNote: OnNote | undefined,
  ): Promise<void> {
    let last = "";
    const wait = {
      end: performance.now() + waitMillisecondsMax,
      get isWatching() {
        return onNote !== undefined || local.isWatched;
      },
    };
    const onReport = (note: string) => {
      if (note === last) return;
      last = note;
      wait.end = performance.now() + waitMillisecondsMax;
      onNote?.(note);
      local.report(note);
    };
    while (this.members.isInTouch && performance.now() < wait.end) {
      const result = await this.held.tryAcquire(name).catch(() => undefined);
      if (result === undefined) break;
      if (typeof result !== "string") return this.#here(result.entry, work, local);
      this.#listeners.set(result, onReport);
      const ended = await this.#ended(name, result, wait).finally(() => this.#listeners.delete(result));
      if (ended === undefined) continue;
      if (ended.note !== undefined) onReport(ended.note);
      if (ended.error !== undefined) throw unavailable(`another node failed: ${ended.error}`);
      return;
    }
    return work(local);
  }

  async #here(entry: Entry, work: (reporter: Reporter) => Promise<void>, local: Reporter): Promise<void> {
    const { token } = entry;
    const run = new Run(token, local, this.messages);
    this.#runs.set(token, run);
    try {
      await work(run);
      this.#announceEnd(run, undefined);
    } catch (error) {
      if (!(error instanceof Abandoned)) this.#announceEnd(run, describeError(error));
      throw error;
    } finally {
      this.#runs.delete(token);
      this.held.release(entry);
    }
  }

  /** The engine stores it before it releases the entry, because both are sent on the same connection. */
  #announceEnd({ token, last }: Run, error: string | undefined): void {
    const how: Ending = { error, note: last };
    this.engine.put(`ended:${token}`, JSON.stringify(how), endedMilliseconds).catch(() => {});
  }

  /**
   * Waits until the work of another node has ended, and resolves with how. Resolves with `undefined` if that is unknown,
   * because that node has died or the engine does not answer, or if the wait is over.
   */
  async #ended(name: string, token: string, wait: Wait): Promise<Ending | undefined> {
    let askedAt = Number.NEGATIVE_INFINITY;
    while (performance.now() < wait.end) {
      if (wait.isWatching && performance.now() - askedAt > watchMilliseconds) {
        askedAt = performance.now();
        this.messages.tell({ kind: "watch", token }, nodeOf(token));
      }
      await sleep(pauseMilliseconds);
      const holder = await this.held.holderOf(name).catch(() => undefined);
      if (holder === undefined) return undefined;
      if (holder === token) continue;
      const how = await this.engine.get(`ended:${token}`).catch(() => null);
      return how === null ? undefined : ending.parse(JSON.parse(how));
    }
    return undefined;
  }
}
