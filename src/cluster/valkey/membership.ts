/**
 * Which nodes there are, and whether this node is in touch with them. A heartbeat is one script in the engine. It is complete
 * when the engine has answered and its message has come back through the other connection: only then does this node receive
 * what others publish.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { NodeRecords } from "../../storage/node-records.js";
import type { NodeName } from "../cluster.js";
import { nodeName } from "../node-name.js";
import { Absent, OwnRecord } from "./apart.js";
import { type Engine, unavailable } from "./engine.js";
import { EngineRefused, isRefusal } from "./engine-refused.js";
import { forgottenAfter, noticedAfter, recordedEvery, type Times } from "./times.js";

export interface MembershipOptions {
  readonly times: Times;
  readonly leaseSeconds: number;
  /** Whether the store was created by this process, so that no node used it before. */
  readonly fresh: boolean;
  /** A name of this process; empty if nobody could tell whether it has ended. */
  readonly process: string;
  /** Where nodes without the engine are recorded. */
  readonly records: NodeRecords;
  readonly onError: (error: unknown) => void;
}

/** Entries of the held table: name, and token with expiry. */
export type HeldEntries = ReadonlyMap<string, string>;

/** What depends on the membership. None may throw. */
export interface MembershipListener {
  /** Changes may have been missed. */
  lost?(): void;
  /** This node was registered, for the first time or again. `held` is what others hold. */
  joined?(held: HeldEntries): void;
}

const pairs = z.array(z.string()).transform((flat) => {
  const entries = new Map<string, string>();
  for (let at = 0; at + 1 < flat.length; at += 2) entries.set(flat[at] ?? "", flat[at + 1] ?? "");
  return entries;
});

const time = z.coerce.number();

const beatReply = z.tuple([time, z.string(), time, time, z.number(), pairs, pairs, pairs, z.number()]);

/** Complete heartbeats before this node counts on others to know that it is in touch. */
const beatsMin = 2;

/** An engine that works answers the first heartbeats at once. */
const startMillisecondsMax = 5_000;

const lostAgainMilliseconds = 10_000;

export class Membership {
  readonly digits = randomBytes(6).toString("hex");
  readonly name = nodeName(this.digits);
  readonly #listeners: MembershipListener[] = [];
  /** The engine's time of the last complete heartbeat of each node. */
  #members: ReadonlyMap<NodeName, number> = new Map();
  #epoch = "";
  #epochCreated = 0;
  #isSettled = false;
  /** The engine's time at the last answer, and when that heartbeat began, by this node's monotonic clock. */
  #engineTime = 0;
  #begun = 0;
  /** When the last complete heartbeat began. */
  #touchedAt = Number.NEGATIVE_INFINITY;
  #touchedEngineTime = 0;
  /** When the first other node may be out of touch, by this node's monotonic clock: each cached GET compares it. */
  #silentFrom = Number.POSITIVE_INFINITY;
  #beatsInTouch = 0;
  /** When the caches may be used, if this node stays in touch. */
  #currentFrom = Number.POSITIVE_INFINITY;
  #isCurrent = false;
  #lostAt = performance.now();
  readonly #leaving = new Set<NodeName>();
  #silentBefore: ReadonlySet<NodeName> = new Set();
  #beating = 0;
  #failures = 0;
  #failure: unknown;
  #echoed: (number: number) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** The engine's time until which everything counts as leased. */
  #pausedUntil = 0;
  /** Changes when a message from or to another node may have been lost. */
  episodes = 0;
  /** Changes when others may have forgotten this node. */
  generation = 0;

  readonly #record: OwnRecord;
  readonly #absent: Absent;

  constructor(
    readonly engine: Engine,
    readonly options: MembershipOptions,
  ) {
    this.#record = new OwnRecord(this.digits, options, () => this.isForgotten);
    this.#absent = new Absent(engine, options, (name) => this.isMember(name) && this.isSilent(name));
  }

  get channel(): string {
    return `beat:${this.digits}`;
  }

  listen(listener: MembershipListener): void {
    this.#listeners.push(listener);
  }

  get epoch(): string {
    return this.#epoch;
  }

  get sinceTouch(): number {
    return performance.now() - this.#touchedAt;
  }

  get isInTouch(): boolean {
    return this.#isInTouchAt(performance.now());
  }

  #isInTouchAt(at: number): boolean {
    return at - this.#touchedAt <= this.options.times.touchMilliseconds;
  }

  /** Whether others may have forgotten this node. */
  get isForgotten(): boolean {
    return this.#isForgottenAt(performance.now());
  }

  /** Once it is, only a complete heartbeat changes that, because a later record does not count. */
  #isForgottenAt(at: number): boolean {
    return at - Math.max(this.#touchedAt, this.#record.writtenAt) > forgottenAfter(this.options.times);
  }

  /** Whether another node is known to work without the engine. */
  isApart(name: NodeName): boolean {
    return this.#absent.has(name);
  }

  /** Milliseconds until all nodes of an earlier epoch are registered in this one, or have ended their holds. */
  get unsettledFor(): number {
    if (this.#isSettled) return 0;
    return Math.max(1, this.#epochCreated + this.options.times.memberMilliseconds - this.#engineNow);
  }

  /** Milliseconds until all nodes know that the engine has lost everything, or know that they are out of touch. */
  get unnoticedFor(): number {
    return Math.max(0, this.#epochCreated + noticedAfter(this.options.times) - this.#engineNow);
  }

  /** Milliseconds for which everything counts as leased from now on; not positive if only leases count. */
  get pausedFor(): number {
    return this.#pausedUntil - this.#engineNow;
  }

  /** The engine's time, or a little later. */
  get #engineNow(): number {
    return this.#engineTime + performance.now() - this.#begun;
  }

  /** Whether this node receives what the nodes in touch publish. */
  get isCurrent(): boolean {
    return this.#isCurrent && this.isInTouch;
  }

  /** Whether all nodes are in touch, so that this one receives every change. */
  get isComplete(): boolean {
    return this.#isCurrent && this.#isSettled && this.isWhole;
  }

  /** Whether this node and all others are in touch. One that is not may change the storage without telling. */
  get isWhole(): boolean {
    const now = performance.now();
    return now <= this.#silentFrom && this.#isInTouchAt(now);
  }

  /** Returns when the first other node will be older than `isOlder` allows, unless its next heartbeat is told before. */
  #whenSilent(): number {
    const { touchMilliseconds } = this.options.times;
    const others = [...this.#members].filter(([name, touched]) => name !== this.name && touched > 0);
    const oldest = Math.min(...others.map(([, touched]) => touched));
    return oldest + touchMilliseconds - this.#engineTime + this.#begun;
  }

  /** A node that has only been registered changes nothing before it is in touch. */
  #isOlder(name: NodeName, touched: number, engineTime: number): boolean {
    return name !== this.name && touched > 0 && engineTime - touched > this.options.times.touchMilliseconds;
  }

  /** Nodes that may be out of touch by now. */
  #suspects(): NodeName[] {
    const latest = this.#engineNow;
    return [...this.#members]
      .filter(([name, touched]) => this.#isOlder(name, touched, latest))
      .map(([name]) => name);
  }

  /** The other registered nodes. */
  others(): NodeName[] {
    return [...this.#members.keys()].filter((name) => name !== this.name);
  }

  isMember(name: NodeName): boolean {
    return this.#members.has(name);
  }

  /** Whether a node is certain to know that it is out of touch, or is not registered. */
  isSilent(name: NodeName): boolean {
    const touched = this.#members.get(name);
    return touched === undefined || this.#engineTime - touched > this.options.times.touchMilliseconds;
  }

  /**
   * Whether a node cannot be in touch, even if its latest heartbeat was complete and is not told yet: that one began while the
   * node was in touch by the one that is known.
   */
  isDeaf(name: NodeName): boolean {
    const touched = this.#members.get(name);
    return touched === undefined || this.#engineTime - touched > 2 * this.options.times.touchMilliseconds;
  }

  /** Milliseconds since a node was last known to be in touch; undefined if it is not registered. */
  silentFor(name: NodeName): number | undefined {
    const touched = this.#members.get(name);
    if (touched === undefined) return undefined;
    // It does not work yet.
    if (touched === 0) return 0;
    return this.#engineNow - touched;
  }

  /**
   * Resolves when this node is registered, and the others can notice when it is out of touch. Rejects if the engine does not
   * answer in time, or refuses the heartbeat.
   */
  async start(): Promise<void> {
    const { beatMilliseconds } = this.options.times;
    const end = performance.now() + startMillisecondsMax;
    do {
      await this.#beat();
      if (this.#beatsInTouch >= beatsMin) return this.#schedule();
      if (isRefusal(this.#failure))
        throw new EngineRefused("it refuses the heartbeat of this node", { cause: this.#failure });
      await sleep(beatMilliseconds);
    } while (performance.now() < end);
    throw unavailable("the engine does not answer", this.#failure);
  }

  /** Call it when a node has told that it stops: it leaves no change behind that it has not published. */
  left(name: NodeName): void {
    this.#leaving.add(name);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      // A missing answer must not delay the next heartbeat: the engine may be back.
      void this.#beat().finally(() => this.#schedule());
    }, this.options.times.beatMilliseconds);
    this.#timer.unref();
  }

  /** Call it with what arrives on `channel`. */
  echo(text: string): void {
    this.#echoed(Number(text));
  }

  async #beat(): Promise<void> {
    const { times, leaseSeconds, fresh, onError } = this.options;
    const number = ++this.#beating;
    const begun = performance.now();
    const echo = new Promise<void>((resolve) => {
      this.#echoed = (arrived) => arrived === number && resolve();
    });
    try {
      const keys = ["members", "epoch", "held", "pausedUntil", "processes"];
      const reply = await this.engine.script("beat", keys, [
        this.name,
        String(this.#touchedEngineTime),
        number,
        randomBytes(12).toString("hex"),
        fresh && this.#epoch === "" ? 1 : 0,
        times.memberMilliseconds,
        leaseSeconds * 1000,
        this.engine.prefix + this.channel,
        this.options.process,
      ]);
      this.#answered(beatReply.parse(reply), begun);
      await within(times.commandMilliseconds, echo);
      this.#complete(begun);
      this.#failures = 0;
      this.#failure = undefined;
    } catch (error) {
      this.#failures++;
      this.#failure = error;
      if (this.#failures === 1) onError(error);
      // A connection on which nothing arrives may be dead; its waiting commands must not run later.
      if (this.#failures % 3 === 0) this.engine.reconnect();
    }
    this.#check();
  }

  #answered(reply: z.output<typeof beatReply>, begun: number): void {
    const [engineTime, epoch, created, pausedUntil, isNew, members, held, expired, settled] = reply;
    const isEmptied = this.#epoch !== "" && epoch !== this.#epoch;
    const before = this.#members;
    const suspects = new Set([...this.#silentBefore, ...this.#suspects()]);
    const entries = [...members].map(([name, touched]) => [name as NodeName, Number(touched)] as const);
    this.#members = new Map(entries);
    this.#engineTime = engineTime;
    this.#begun = begun;
    this.#silentFrom = this.#whenSilent();
    this.#epoch = epoch;
    this.#epochCreated = created;
    this.#isSettled = settled === 1;
    this.#pausedUntil = pausedUntil;
    const isOld = engineTime - created > this.options.times.memberMilliseconds;
    this.#absent.look(expired, isOld && settled === 0 ? epoch : undefined);
    if (isNew === 1) for (const { joined } of this.#listeners) joined?.(held);
    const gone = [...before.keys()].filter((name) => !this.#members.has(name));
    const isGone = gone.some((name) => !this.#leaving.has(name));
    for (const name of gone) this.#leaving.delete(name);
    const silent = new Set([...this.#members.keys()].filter((name) => this.isSilent(name)));
    const isBack = [...suspects].some((name) => this.#members.has(name) && !silent.has(name));
    this.#silentBefore = new Set([...suspects].filter((name) => silent.has(name)));
    if (isEmptied || isGone || suspects.size > 0) this.episodes++;
    // What a node changed while it was silent is unknown.
    if (isEmptied || isGone || isBack) this.#lose();
  }

  #complete(begun: number): void {
    const { times } = this.options;
    if (this.#isForgottenAt(begun)) this.generation++;
    this.#check();
    this.#touchedAt = begun;
    this.#touchedEngineTime = this.#engineTime;
    this.#beatsInTouch++;
    // Others must have noticed that this node listens, or be out of touch themselves.
    if (this.#beatsInTouch === beatsMin) this.#currentFrom = performance.now() + times.touchMilliseconds;
    if (this.#isCurrent || performance.now() < this.#currentFrom) return;
    this.#lose();
    this.#isCurrent = true;
  }

  /** Stops the caches once this node is out of touch. */
  #check(): void {
    if (this.isInTouch) return;
    // Robots are kept in memory: without messages, they are read again from time to time.
    if (!this.#isCurrent && performance.now() - this.#lostAt > lostAgainMilliseconds) this.#lose();
    if (this.sinceTouch > recordedEvery(this.options.times)) this.#record.renewIfDue();
    this.episodes++;
    this.#beatsInTouch = 0;
    this.#currentFrom = Number.POSITIVE_INFINITY;
    if (!this.#isCurrent) return;
    this.#isCurrent = false;
    this.#lose();
  }

  #lose(): void {
    this.#lostAt = performance.now();
    for (const { lost } of this.#listeners) lost?.();
  }

  /** Leaves the others without making them wait. Collection pauses for `pauseMilliseconds`, if leases end with this node. */
  async stop(pauseMilliseconds: number): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.engine
      .script("leave", ["members", "pausedUntil", "processes"], [this.name, Math.ceil(pauseMilliseconds)])
      .catch(this.options.onError);
  }
}

/** Rejects after `milliseconds`. */
function within(milliseconds: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(unavailable("no message arrives from the engine")), milliseconds);
    void work.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
