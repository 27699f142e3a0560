/** Records the owner of each upload session, within one process. */
import { newSessionId, type SessionId } from "../../domain/session-id.js";
import { KeyedLock } from "../../lib/keyed-lock.js";
import type { ClaimAnswer, Claimed, NodeName, Uploads } from "../cluster.js";

interface Node {
  readonly name: NodeName;
  answer: (id: SessionId) => ClaimAnswer | Promise<ClaimAnswer>;
}

/** The owners of all sessions of one process. */
export class MemoryOwners {
  readonly #owners = new Map<SessionId, Node>();
  readonly #claims = new KeyedLock<SessionId>();

  /** Returns one node's view of ownership. */
  node(name: NodeName): Uploads {
    const own: Node = { name, answer: () => "keep" };
    return {
      newId: () => newSessionId(),
      own: (id) => void this.#owners.set(id, own),
      release: (id) => this.#release(id, own),
      end: (id) => this.#release(id, own),
      isSure: (id) => this.#owners.get(id) === own,
      owner: async (id) => {
        const owner = this.#owners.get(id);
        return owner === own ? "here" : owner?.name;
      },
      claim: async (id) => this.#claim(id, own),
      onClaim: (answer) => {
        own.answer = answer;
      },
    };
  }

  #release(id: SessionId, own: Node): void {
    if (this.#owners.get(id) === own) this.#owners.delete(id);
  }

  /** Claims of one session run one after the other, so that one of several is first. */
  #claim(id: SessionId, own: Node): Promise<Claimed> {
    return this.#claims.exclusive(id, async () => {
      const owner = this.#owners.get(id);
      const answer = owner === undefined || owner === own ? "unknown" : await owner.answer(id);
      if (owner !== undefined && answer === "keep") return { owner: owner.name };
      this.#owners.set(id, own);
      if (typeof answer === "object") return { owner: "here", handedOver: answer };
      return answer === "released" ? { owner: "here", isReleased: true } : { owner: "here" };
    });
  }

  lose(): void {
    this.#owners.clear();
  }
}
