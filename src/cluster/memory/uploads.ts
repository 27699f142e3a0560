/** Records the owner of each upload session, within one process. */
import type { SessionId } from "../../domain/session-id.js";
import type { HandedOver, NodeName, Uploads } from "../cluster.js";

interface Node {
  readonly name: NodeName;
  answer: (id: SessionId) => HandedOver | "keep";
}

/** The owners of all sessions of one process. */
export class MemoryOwners {
  readonly #owners = new Map<SessionId, Node>();

  /** Returns one node's view of ownership. */
  node(name: NodeName): Uploads {
    const own: Node = { name, answer: () => "keep" };
    return {
      own: (id) => void this.#owners.set(id, own),
      release: (id) => {
        if (this.#owners.get(id) === own) this.#owners.delete(id);
      },
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

  /** Runs in one turn of the event loop, so that one of several claims is first. */
  #claim(id: SessionId, own: Node): Awaited<ReturnType<Uploads["claim"]>> {
    const owner = this.#owners.get(id);
    if (owner === undefined || owner === own) {
      this.#owners.set(id, own);
      return { owner: "here" };
    }
    const answer = owner.answer(id);
    if (answer === "keep") return { owner: owner.name };
    this.#owners.set(id, own);
    return { owner: "here", handedOver: answer };
  }

  lose(): void {
    this.#owners.clear();
  }
}
