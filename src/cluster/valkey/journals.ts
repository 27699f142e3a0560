/** The journals of all nodes: which repositories have one, and what pushes noted in them. */
import type { Digest } from "../../domain/digest.js";
import { parseRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import type { NodeName } from "../cluster.js";
import { digestsMax } from "../schemas.js";
import { unavailable } from "./engine.js";
import { nodeOf } from "./held.js";
import type { LockParts } from "./locks.js";
import type { HeldEntries } from "./membership.js";

/** Noted digests. Once some may be missing, `has` is true for every digest, so that nothing is removed. */
class Notes extends Set<Digest> {
  isComplete: () => boolean = () => true;

  override has(digest: Digest): boolean {
    return super.has(digest) || !this.isComplete();
  }
}

export class Journals {
  readonly #own = new Map<RepositoryName, Set<Notes>>();
  /** Journals of other nodes: by repository, tokens with how to stop watching their entries. */
  readonly #elsewhere = new Map<RepositoryName, Map<string, () => void>>();

  constructor(readonly parts: LockParts) {
    const { members, messages } = parts;
    messages.on("note", ({ name, digests }) => {
      this.#noteHere(name, digests);
      return null;
    });
    messages.on("journal", ({ name, token, begins }) => {
      if (begins) this.#begin(name, token);
      else this.#end(name, token);
      return null;
    });
    members.listen({ joined: (held) => this.#join(held) });
  }

  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined {
    const tokens = this.#elsewhere.get(name);
    if (tokens === undefined && !this.#own.has(name)) return undefined;
    const all = [...digests];
    this.#noteHere(name, all);
    return tokens && this.#noteElsewhere(name, all, [...new Set([...tokens.keys()].map(nodeOf))]);
  }

  #noteHere(name: RepositoryName, digests: readonly Digest[]): void {
    for (const notes of this.#own.get(name) ?? []) for (const digest of digests) notes.add(digest);
  }

  /** A node that does not answer finds that it, or this node, was out of touch: then its notes have everything. */
  async #noteElsewhere(
    name: RepositoryName,
    digests: readonly Digest[],
    of: readonly NodeName[],
  ): Promise<void> {
    for (const part of inParts(digests))
      await this.parts.messages.ask<"note">({ kind: "note", name, digests: part }, { of });
  }

  async with<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    const { held, members, messages } = this.parts;
    const token = held.newToken();
    const result = await held.tryAcquire(entryOf(name, token), token);
    if (typeof result === "string") throw new Error("invariant broken: each journal has an entry of its own");
    const { entry, nodes } = result;
    const { episodes } = members;
    const notes = new Notes();
    notes.isComplete = () => members.isWhole && members.episodes === episodes && held.isTrusted(entry);
    const own = this.#own.get(name) ?? new Set();
    this.#own.set(name, own.add(notes));
    try {
      const { silent } = await messages.ask<"journal">(
        { kind: "journal", name, token, begins: true },
        { of: nodes },
      );
      const missing = silent.find((node) => members.isMember(node));
      if (missing !== undefined) throw unavailable(`the ${missing} does not answer`);
      return await work(notes);
    } finally {
      own.delete(notes);
      if (own.size === 0) this.#own.delete(name);
      held.release(entry);
      if (nodes.length > 0) messages.tell({ kind: "journal", name, token, begins: false });
    }
  }

  /** Until it ends, notes are sent to its node; in vain if that is dead. */
  #begin(name: RepositoryName, token: string): void {
    const tokens = this.#elsewhere.get(name) ?? new Map<string, () => void>();
    this.#elsewhere.set(name, tokens);
    if (tokens.has(token)) return;
    tokens.set(
      token,
      this.parts.held.watch(entryOf(name, token), token, () => this.#end(name, token)),
    );
  }

  #end(name: RepositoryName, token: string): void {
    const tokens = this.#elsewhere.get(name);
    tokens?.get(token)?.();
    tokens?.delete(token);
    if (tokens?.size === 0) this.#elsewhere.delete(name);
  }

  #join(held: HeldEntries): void {
    for (const entry of held.keys()) {
      const [kind, name = "", token = ""] = entry.split(" ");
      if (kind === "journal" && nodeOf(token) !== this.parts.members.name)
        this.#begin(parseRepositoryName(name), token);
    }
  }
}

function entryOf(name: RepositoryName, token: string): string {
  return `journal ${name} ${token}`;
}

/** Slices of what one message may carry. */
export function* inParts(digests: readonly Digest[]): Iterable<Digest[]> {
  for (let at = 0; at < digests.length; at += digestsMax) yield digests.slice(at, at + digestsMax);
}
