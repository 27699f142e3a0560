/** The journals of all processes: which repositories have one, and what pushes noted in them. */
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { NodeName } from "../cluster.js";
import { digestsMax } from "../schemas.js";
import type { Peer } from "./peer.js";
import { Tokens } from "./tokens.js";

export class Journals {
  readonly #own = new Map<RepositoryName, Set<Set<Digest>>>();
  /** Tokens of the journals of other processes. */
  readonly #elsewhere = new Map<RepositoryName, Set<string>>();

  constructor(
    readonly peer: Peer,
    readonly tokens: Tokens,
  ) {
    peer.handlers.on("note", ({ name, digests }) => {
      this.#noteHere(name, digests);
      return null;
    });
    peer.handlers.on("journal", ({ name, token, begins }) => {
      if (begins) this.begin(name, token);
      else this.#end(name, token);
      return null;
    });
  }

  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined {
    const tokens = this.#elsewhere.get(name);
    if (tokens === undefined && !this.#own.has(name)) return undefined;
    const all = [...digests];
    this.#noteHere(name, all);
    return tokens && this.#noteElsewhere(name, all, new Set(Array.from(tokens, Tokens.nodeOf)));
  }

  #noteHere(name: RepositoryName, digests: readonly Digest[]): void {
    for (const notes of this.#own.get(name) ?? []) for (const digest of digests) notes.add(digest);
  }

  async #noteElsewhere(
    name: RepositoryName,
    digests: readonly Digest[],
    nodes: ReadonlySet<NodeName>,
  ): Promise<void> {
    for (let at = 0; at < digests.length; at += digestsMax) {
      const part = digests.slice(at, at + digestsMax);
      for (const node of nodes) await this.peer.askNode<"note">(node, { kind: "note", name, digests: part });
    }
  }

  async with<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    const token = this.tokens.next();
    const notes = new Set<Digest>();
    const own = this.#own.get(name) ?? new Set();
    this.#own.set(name, own.add(notes));
    try {
      await this.peer.ask<"journal">({ kind: "journal", name, token, begins: true });
      return await work(notes);
    } finally {
      own.delete(notes);
      if (own.size === 0) this.#own.delete(name);
      this.peer.tell("others", { kind: "journal", name, token, begins: false });
    }
  }

  /** Until it ends, notes are sent to its process. */
  begin(name: RepositoryName, token: string): void {
    const tokens = this.#elsewhere.get(name) ?? new Set();
    this.#elsewhere.set(name, tokens.add(token));
  }

  #end(name: RepositoryName, token: string): void {
    const tokens = this.#elsewhere.get(name);
    tokens?.delete(token);
    if (tokens?.size === 0) this.#elsewhere.delete(name);
  }

  gone(node: NodeName): void {
    for (const [name, tokens] of this.#elsewhere)
      for (const token of tokens) if (Tokens.isOf(token, node)) this.#end(name, token);
  }
}
