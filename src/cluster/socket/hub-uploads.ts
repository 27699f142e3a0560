/**
 * Which node has an upload session: the one whose digits the session's ID ends with, unless another one has taken it. Only the
 * latter are recorded here.
 */
import { nodeOfSession, type SessionId } from "../../domain/session-id.js";
import { KeyedLock } from "../../lib/keyed-lock.js";
import type { NodeName } from "../cluster.js";
import { nodeName } from "../node-name.js";
import type { AnswerTo, Question } from "./protocol.js";

export interface UploadNodes {
  isNode(node: NodeName): boolean;
  /** Resolves with `undefined` if the node has ended. */
  ask(node: NodeName, from: NodeName, question: Question): Promise<unknown>;
}

export class HubUploads {
  readonly #taken = new Map<SessionId, NodeName>();
  /** Claims of one session run one after the other, so that one of several is first. */
  readonly #claims = new KeyedLock<SessionId>();

  constructor(readonly nodes: UploadNodes) {}

  /** Gives the session to the asker, unless the node that has it keeps it. */
  take(id: SessionId, from: NodeName): Promise<AnswerTo<"take">> {
    return this.#claims.exclusive(id, async () => {
      const node = this.#nodeOf(id);
      if (node === undefined || node === from) return this.#give(id, from, "unknown");
      const answer = (await this.nodes.ask(node, from, { kind: "claim", id })) as
        | AnswerTo<"claim">
        | undefined;
      return answer === "keep" ? { owner: node } : this.#give(id, from, answer ?? "unknown");
    });
  }

  #give(id: SessionId, to: NodeName, answer: AnswerTo<"claim">): AnswerTo<"take"> {
    if (this.nodes.isNode(to)) this.#taken.set(id, to);
    return { answer };
  }

  own(id: SessionId, node: NodeName, isOwn: boolean): null {
    if (isOwn) this.#taken.set(id, node);
    else if (this.#taken.get(id) === node) this.#taken.delete(id);
    return null;
  }

  async owner(id: SessionId, from: NodeName): Promise<NodeName | null> {
    const node = this.#nodeOf(id);
    if (node === undefined || node === from) return null;
    return (await this.nodes.ask(node, from, { kind: "owns", id })) === true ? node : null;
  }

  #nodeOf(id: SessionId): NodeName | undefined {
    const node = this.#taken.get(id) ?? nodeName(nodeOfSession(id));
    return this.nodes.isNode(node) ? node : undefined;
  }

  gone(node: NodeName): void {
    for (const [id, owner] of this.#taken) if (owner === node) this.#taken.delete(id);
  }

  lose(): void {
    this.#taken.clear();
  }
}
