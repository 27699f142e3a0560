/** The notes of pushes in all processes. */
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { PushNotes } from "../push-notes.js";
import type { Peer } from "./peer.js";
import type { Tokens } from "./tokens.js";

export class SocketNotes extends PushNotes {
  constructor(
    readonly peer: Peer,
    readonly tokens: Tokens,
  ) {
    super(async (name, digests, nodes) => {
      for (const node of nodes) await peer.askNode<"note">(node, { kind: "note", name, digests });
    });
    peer.handlers.on("note", ({ name, digests }) => {
      this.noteHere(name, digests);
      return null;
    });
    peer.handlers.on("noting", ({ name, token, begins }) => {
      if (begins) this.begin(name, token);
      else this.end(name, token);
      return null;
    });
  }

  with<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    const token = this.tokens.next();
    return this.during(name, new Set(), async (notes) => {
      try {
        await this.peer.ask<"noting">({ kind: "noting", name, token, begins: true });
        return await work(notes);
      } finally {
        this.peer.tell("others", { kind: "noting", name, token, begins: false });
      }
    });
  }
}
