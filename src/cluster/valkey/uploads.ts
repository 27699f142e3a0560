/**
 * Owners of upload sessions. A session's ID contains the name of the node that opened it, so that only a claim by another
 * node is recorded in the engine.
 */
import { newSessionId, type SessionId } from "../../domain/session-id.js";
import type { ClaimAnswer, HandedOver, NodeName, Uploads } from "../cluster.js";
import { type Engine, unavailable } from "./engine.js";
import { type Membership, nodeName } from "./membership.js";
import type { Messages } from "./messages.js";

/** A session expires earlier if it is not used. */
const recordMilliseconds = 7 * 24 * 3600 * 1000;

/** A node in touch answers at once. */
const answerMilliseconds = 5_000;

type Claimed = Awaited<ReturnType<Uploads["claim"]>>;

export class ValkeyUploads implements Uploads {
  readonly #own = new Set<SessionId>();
  /** Those of `#own` that a record in the engine names. */
  readonly #recorded = new Set<SessionId>();
  readonly #claims = new Map<SessionId, Promise<Claimed>>();
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
    this.#own.add(id);
  }

  release(id: SessionId): void {
    this.#own.delete(id);
    if (this.#recorded.delete(id)) this.#record(id, this.members.name, "").catch(() => {});
  }

  onClaim(answer: (id: SessionId) => ClaimAnswer | Promise<ClaimAnswer>): void {
    this.#answer = answer;
  }

  async owner(id: SessionId): Promise<NodeName | "here" | undefined> {
    if (this.#own.has(id)) return "here";
    const node = (await this.#recordOf(id)) ?? openerOf(id);
    if (node === this.members.name || this.#isLost(node)) return undefined;
    const { given } = await this.messages.ask<"owns">(
      { kind: "owns", id },
      { of: [node], waitMilliseconds: answerMilliseconds },
    );
    const owns = given.get(node);
    if (owns === undefined && !this.members.isSilent(node)) throw unavailable(`the ${node} does not answer`);
    return owns === true ? node : undefined;
  }

  claim(id: SessionId): Promise<Claimed> {
    if (this.#own.has(id)) return Promise.resolve({ owner: "here" });
    const running = this.#claims.get(id);
    if (running !== undefined) return running;
    const claiming = this.#claim(id).finally(() => this.#claims.delete(id));
    this.#claims.set(id, claiming);
    return claiming;
  }

  /** Records this node first, so that of several claims one goes on, and then asks the previous owner. */
  async #claim(id: SessionId): Promise<Claimed> {
    const { members } = this;
    // The storage refuses the later one of two owners.
    if (!members.isInTouch) return this.#take(id);
    const recorded = await this.#recordOf(id);
    const previous = recorded ?? openerOf(id);
    const winner = await this.#record(id, recorded ?? "", members.name);
    if (winner !== members.name) return { owner: winner as NodeName };
    if (previous === members.name || this.#isLost(previous)) return this.#take(id, true);
    const { given } = await this.messages.ask<"claim">(
      { kind: "claim", id },
      { of: [previous], waitMilliseconds: answerMilliseconds },
    );
    const answer = given.get(previous);
    if (answer === undefined && members.isSilent(previous)) return this.#take(id, true);
    if (answer === undefined || answer === "keep") {
      await this.#record(id, members.name, recorded ?? "");
      if (answer === "keep") return { owner: previous };
      throw unavailable(`the ${previous}, which has this upload, does not answer`);
    }
    return this.#take(id, true, typeof answer === "string" ? undefined : answer);
  }

  /** A node that is out of touch may still use its uploads. The storage refuses the later one of two owners. */
  #isLost(node: NodeName): boolean {
    const silentFor = this.members.silentFor(node);
    return silentFor === undefined || silentFor > answerMilliseconds;
  }

  #take(id: SessionId, isRecorded = false, handedOver?: HandedOver): Claimed {
    this.#own.add(id);
    if (isRecorded) this.#recorded.add(id);
    return { owner: "here", ...(handedOver !== undefined && { handedOver }) };
  }

  /** Another node has recorded itself, and asks for the session. */
  async #claimed(id: SessionId): Promise<ClaimAnswer | "unknown"> {
    await this.#claims.get(id)?.catch(() => {});
    if (!this.#own.has(id)) return "unknown";
    const answer = await this.#answer(id);
    if (answer === "keep") return "keep";
    this.#own.delete(id);
    this.#recorded.delete(id);
    return answer;
  }

  async #recordOf(id: SessionId): Promise<NodeName | undefined> {
    const found = await this.engine.get(keyOf(id)).catch(noAnswer);
    return found === null ? undefined : (found as NodeName);
  }

  /** Replaces the recorded owner, empty for none, if it is `expected`. Resolves with the owner then. */
  async #record(id: SessionId, expected: string, owner: string): Promise<string> {
    const found = await this.engine
      .script("swap", [keyOf(id)], [expected, owner, recordMilliseconds])
      .catch(noAnswer);
    return String(found);
  }
}

function keyOf(id: SessionId): string {
  return `owner:${id}`;
}

function openerOf(id: SessionId): NodeName {
  return nodeName(id.slice(-12));
}

function noAnswer(error: unknown): never {
  throw unavailable("the engine does not answer", error);
}
