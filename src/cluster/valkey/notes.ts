/** The notes of pushes at all nodes. */
import type { Digest } from "../../domain/digest.js";
import { parseRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import { nodeOf } from "../node-name.js";
import { PushNotes } from "../push-notes.js";
import { unavailable } from "./engine.js";
import type { LockParts } from "./locks.js";
import type { HeldEntries } from "./membership.js";

/** Noted digests. Once some may be missing, `has` is true for every digest, so that nothing is removed. */
class Notes extends Set<Digest> {
  constructor(readonly isComplete: () => boolean) {
    super();
  }

  override has(digest: Digest): boolean {
    return super.has(digest) || !this.isComplete();
  }
}

export class ValkeyNotes extends PushNotes {
  constructor(readonly parts: LockParts) {
    const { members, messages } = parts;
    // A node that does not answer finds that it, or this node, was out of touch: then its notes have everything.
    super((name, digests, of) => messages.ask<"note">({ kind: "note", name, digests }, { of }));
    messages.on("note", ({ name, digests }) => {
      this.noteHere(name, digests);
      return null;
    });
    messages.on("noting", ({ name, token, begins }) => {
      if (begins) this.#begin(name, token);
      else this.end(name, token);
      return null;
    });
    members.listen({ joined: (held) => this.#join(held) });
  }

  async with<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    const { held, members, messages } = this.parts;
    const token = held.newToken();
    const result = await held.tryAcquire(entryOf(name, token), token);
    if (typeof result === "string") throw new Error("invariant broken: each request has an entry of its own");
    const { entry, nodes } = result;
    const { episodes } = members;
    const isComplete = () => members.isWhole && members.episodes === episodes && held.isTrusted(entry);
    return this.during(name, new Notes(isComplete), async (notes) => {
      try {
        const { silent } = await messages.ask<"noting">(
          { kind: "noting", name, token, begins: true },
          { of: nodes },
        );
        const missing = silent.find((node) => members.isMember(node));
        if (missing !== undefined) throw unavailable(`the ${missing} does not answer`);
        return await work(notes);
      } finally {
        held.release(entry);
        if (nodes.length > 0) messages.tell({ kind: "noting", name, token, begins: false });
      }
    });
  }

  /** If the node is dead, its entry ends. */
  #begin(name: RepositoryName, token: string): void {
    const end = () => this.end(name, token);
    this.begin(name, token, this.parts.held.watch(entryOf(name, token), token, end));
  }

  #join(held: HeldEntries): void {
    for (const entry of held.keys()) {
      const [kind, name = "", token = ""] = entry.split(" ");
      if (kind === "noting" && nodeOf(token) !== this.parts.members.name)
        this.#begin(parseRepositoryName(name), token);
    }
  }
}

function entryOf(name: RepositoryName, token: string): string {
  return `noting ${name} ${token}`;
}
