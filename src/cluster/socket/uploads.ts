/** Owners of upload sessions. A session's ID ends with the digits of the process that opened it. */
import { setImmediate as turn } from "node:timers/promises";
import { newSessionId, nodeOfSession, type SessionId } from "../../domain/session-id.js";
import { RunningWork } from "../../lib/running-work.js";
import type { ClaimAnswer, Claimed, NodeName, Uploads } from "../cluster.js";
import { digitsOf } from "../node-name.js";
import type { Peer } from "./peer.js";
import type { AnswerTo } from "./protocol.js";

export class SocketUploads implements Uploads {
  readonly #own = new Set<SessionId>();
  /** Those of `#own` that the hub knows. */
  readonly #recorded = new Set<SessionId>();
  readonly #claims = new RunningWork<SessionId, Claimed>();
  readonly #digits: string;
  #answer: (id: SessionId) => ClaimAnswer | Promise<ClaimAnswer> = () => "keep";

  constructor(readonly peer: Peer) {
    this.#digits = digitsOf(peer.name);
    peer.handlers.on("owns", ({ id }) => this.#own.has(id));
    peer.handlers.on("claim", ({ id }) => this.#claimed(id));
  }

  newId(): SessionId {
    return newSessionId(this.#digits);
  }

  own(id: SessionId): void {
    this.#own.add(id);
    if (nodeOfSession(id) === this.#digits || this.#recorded.has(id)) return;
    this.#recorded.add(id);
    this.peer.tell("hub", { kind: "own", id, isOwn: true });
  }

  release(id: SessionId): void {
    this.#own.delete(id);
    if (this.#recorded.delete(id)) this.peer.tell("hub", { kind: "own", id, isOwn: false });
  }

  end(id: SessionId): void {
    this.release(id);
  }

  isSure(id: SessionId): boolean {
    return this.#own.has(id);
  }

  async owner(id: SessionId): Promise<NodeName | "here" | undefined> {
    if (this.#own.has(id)) return "here";
    return (await this.peer.askHub<"owner">({ kind: "owner", id })) ?? undefined;
  }

  async claim(id: SessionId): Promise<Claimed> {
    if (this.#own.has(id)) return { owner: "here" };
    return this.#claims.join(id, () => this.#claim(id));
  }

  async #claim(id: SessionId): Promise<Claimed> {
    const given = await this.peer.askHub<"take">({ kind: "take", id });
    if ("owner" in given) return given;
    this.#own.add(id);
    this.#recorded.add(id);
    const { answer } = given;
    if (typeof answer === "object") return { owner: "here", handedOver: answer };
    return answer === "released" ? { owner: "here", isReleased: true } : { owner: "here" };
  }

  /** Another process asks for the session. */
  async #claimed(id: SessionId): Promise<AnswerTo<"claim">> {
    // A session that this process was given just before is its own by then. Its own claim may wait behind this one.
    await turn();
    if (!this.#own.has(id)) return "unknown";
    const answer = await this.#answer(id);
    if (answer === "keep") return "keep";
    this.#own.delete(id);
    this.#recorded.delete(id);
    return answer;
  }

  onClaim(answer: (id: SessionId) => ClaimAnswer | Promise<ClaimAnswer>): void {
    this.#answer = answer;
  }
}
