/**
 * Owners of upload sessions. A session's ID contains the name of the node that opened it, so that only a claim by another
 * node is recorded in the engine.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import { RegistryError } from "../../domain/errors.js";
import { newSessionId, type SessionId } from "../../domain/session-id.js";
import { RunningWork } from "../../lib/running-work.js";
import type { ClaimAnswer, Claimed, HandedOver, NodeName, Uploads } from "../cluster.js";
import { nodeName } from "../node-name.js";
import { type Engine, unavailable } from "./engine.js";
import type { Membership } from "./membership.js";
import type { Messages } from "./messages.js";
import type { AnswerTo } from "./protocol.js";
import { noticedAfter } from "./times.js";

/** A session expires earlier if it is not used. */
const recordMilliseconds = 7 * 24 * 3600 * 1000;

/** The storage has removed a session that has ended long before. */
const endedMilliseconds = 60_000;

/** Sessions that ended here, for nodes that ask for them: 100 bytes each. */
const endedMax = 10_000;

/** Recorded instead of an owner. */
const ended = "ended";

/** A node in touch answers at once. */
const answerMilliseconds = 5_000;

export class ValkeyUploads implements Uploads {
  /** With the episode of the membership in which this node became the owner, if all nodes were in touch then. */
  readonly #own = new Map<SessionId, number | undefined>();
  /** Those of `#own` that a record in the engine names. */
  readonly #recorded = new Set<SessionId>();
  readonly #ended = new LRUCache<SessionId, true>({ max: endedMax });
  readonly #claims = new RunningWork<SessionId, Claimed>();
  #answer: (id: SessionId) => ClaimAnswer | Promise<ClaimAnswer> = () => "keep";

  constructor(
    readonly engine: Engine,
    readonly members: Membership,
    readonly messages: Messages,
  ) {
    messages.on("owns", ({ id }) => this.#own.has(id));
    messages.on("claim", ({ id }) => this.#claimed(id));
  }

  newId(): SessionId {
    return newSessionId(this.members.digits);
  }

  own(id: SessionId): void {
    if (!this.#own.has(id)) this.#own.set(id, this.#episode());
  }

  release(id: SessionId): void {
    this.#own.delete(id);
    if (this.#recorded.delete(id)) this.#record(id, this.members.name, "").catch(() => {});
  }

  end(id: SessionId): void {
    this.#own.delete(id);
    this.#ended.set(id, true);
    if (this.#recorded.delete(id)) this.#record(id, this.members.name, ended).catch(() => {});
  }

  /**
   * Another node takes a session without a question only while one of the two is out of touch. Both know that by then, also
   * afterwards: it begins a new episode.
   */
  isSure(id: SessionId): boolean {
    const episode = this.#own.get(id);
    return episode !== undefined && episode === this.#episode();
  }

  #episode(): number | undefined {
    return this.members.isComplete ? this.members.episodes : undefined;
  }

  onClaim(answer: (id: SessionId) => ClaimAnswer | Promise<ClaimAnswer>): void {
    this.#answer = answer;
  }

  async owner(id: SessionId): Promise<NodeName | "here" | undefined> {
    if (this.#own.has(id)) return "here";
    const node = (await this.#recordOf(id)) ?? openerOf(id);
    if (node === ended || node === this.members.name || this.#isLost(node)) return undefined;
    const { given } = await this.messages.ask<"owns">(
      { kind: "owns", id },
      { of: [node], waitMilliseconds: answerMilliseconds },
    );
    const owns = given.get(node);
    if (owns === undefined && !this.members.isSilent(node)) throw unavailable(`the ${node} does not answer`);
    return owns === true ? node : undefined;
  }

  claim(id: SessionId): Promise<Claimed> {
    if (this.isSure(id)) return Promise.resolve({ owner: "here" });
    if (this.#ended.has(id)) return Promise.resolve({ owner: ended });
    return this.#claims.join(id, () => this.#claim(id));
  }

  /** Tries again while the engine does not answer, until this node is out of touch. */
  async #claim(id: SessionId): Promise<Claimed> {
    const { members } = this;
    const { times } = members.options;
    const end = performance.now() + noticedAfter(times);
    while (members.isInTouch) {
      try {
        return await this.#claimInTouch(id);
      } catch (error) {
        if (!(error instanceof NoAnswer) || performance.now() > end) throw error;
      }
      await sleep(times.beatMilliseconds);
    }
    return this.#takeUnasked(id);
  }

  /** Records this node first, so that of several claims one goes on, and then asks the previous owner. */
  async #claimInTouch(id: SessionId): Promise<Claimed> {
    const { members } = this;
    // Owners that an emptied engine has forgotten must know that they are not sure any more.
    if (members.unnoticedFor > 0) await sleep(members.unnoticedFor);
    const episode = this.#episode();
    const recorded = await this.#recordOf(id);
    if (recorded === ended) return { owner: ended };
    const winner = await this.#record(id, recorded ?? "", members.name);
    if (winner !== members.name) return { owner: winner };
    const previous = recorded ?? openerOf(id);
    const refusal = await this.#askOwners(id, previous).catch(async (error: unknown) => {
      await this.#record(id, members.name, recorded ?? "");
      throw error;
    });
    if ("owner" in refusal) {
      const { owner } = refusal;
      await this.#record(id, members.name, owner === openerOf(id) ? "" : owner);
      return refusal;
    }
    this.#own.set(id, episode);
    this.#recorded.add(id);
    return { owner: "here", ...refusal };
  }

  /**
   * Without the engine, nobody can be asked. The storage refuses the later one of two owners, and the earlier one notices that
   * this node is out of touch.
   */
  async #takeUnasked(id: SessionId): Promise<Claimed> {
    const { members } = this;
    await sleep(Math.max(0, noticedAfter(members.options.times) - members.sinceTouch));
    this.#own.set(id, undefined);
    return { owner: "here", isUnsure: true };
  }

  /** Resolves with the node that keeps the session, or with what this node gets with it. */
  async #askOwners(
    id: SessionId,
    previous: NodeName,
  ): Promise<
    { owner: NodeName | typeof ended } | { handedOver?: HandedOver; isReleased?: true; isUnsure?: true }
  > {
    const { members } = this;
    const of = this.#ownersOf(previous);
    const given = new Map<NodeName, AnswerTo<"claim">>();
    await Promise.all(
      of.map(async (node) => {
        const options = { of: [node], waitMilliseconds: answerMilliseconds };
        const answers = await this.messages.ask<"claim">({ kind: "claim", id }, options);
        for (const [from, answer] of answers.given) given.set(from, answer);
      }),
    );
    for (const [node, answer] of given) {
      if (answer === "keep") return { owner: node };
      if (answer === "ended") return { owner: ended };
      if (typeof answer === "object") return { handedOver: answer };
    }
    const missing = of.find((node) => !given.has(node));
    if (missing !== undefined && !members.isSilent(missing))
      throw unavailable(`the ${missing}, which may have this upload, does not answer`);
    const isGone = previous === members.name || given.has(previous) || this.#isDead(previous);
    const released = [...given.values()].includes("released") ? ({ isReleased: true } as const) : {};
    return isGone && missing === undefined ? released : { ...released, isUnsure: true };
  }

  /** The nodes that may have the session: all others, if the engine has lost who had it. */
  #ownersOf(previous: NodeName): readonly NodeName[] {
    const { members } = this;
    if (members.unsettledFor > 0) return members.others().filter((node) => !this.#isLost(node));
    return previous === members.name || this.#isLost(previous) ? [] : [previous];
  }

  /** A node that is out of touch may still use its uploads. The storage refuses the later one of two owners. */
  #isLost(node: NodeName): boolean {
    const silentFor = this.members.silentFor(node);
    return silentFor === undefined || silentFor > answerMilliseconds;
  }

  #isDead(node: NodeName): boolean {
    return !this.members.isMember(node) && this.members.unsettledFor === 0;
  }

  /** Another node has recorded itself, and asks for the session. */
  async #claimed(id: SessionId): Promise<AnswerTo<"claim">> {
    await this.#claims.get(id)?.catch(() => {});
    if (!this.#own.has(id)) return this.#ended.has(id) ? ended : "unknown";
    const answer = await this.#answer(id);
    if (answer === "keep") return "keep";
    this.#own.delete(id);
    this.#recorded.delete(id);
    return answer;
  }

  async #recordOf(id: SessionId): Promise<NodeName | typeof ended | undefined> {
    const found = await this.engine.get(keyOf(id)).catch(noAnswer);
    return found === null ? undefined : (found as NodeName);
  }

  /** Replaces the recorded owner, empty for none, if it is `expected`. Resolves with the owner then. */
  async #record(id: SessionId, expected: string, owner: string): Promise<NodeName | typeof ended> {
    const milliseconds = owner === ended ? endedMilliseconds : recordMilliseconds;
    const found = await this.engine
      .script("swap", [keyOf(id), "epoch"], [expected, owner, milliseconds, this.members.epoch])
      .catch(noAnswer);
    return String(found) as NodeName;
  }
}

function keyOf(id: SessionId): string {
  return `owner:${id}`;
}

function openerOf(id: SessionId): NodeName {
  return nodeName(id.slice(-12));
}

/** The engine does not answer, or has just lost everything. */
class NoAnswer extends RegistryError {
  constructor(cause: unknown) {
    super("cluster-unavailable", "the engine does not answer", undefined, { cause });
  }
}

function noAnswer(error: unknown): never {
  throw new NoAnswer(error);
}
