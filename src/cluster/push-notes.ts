/** The notes of pushes: who asks for them, for which repository, and what pushes have noted for the callers of this node. */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { batchesOf } from "../lib/batches.js";
import type { NodeName } from "./cluster.js";
import { nodeOf } from "./node-name.js";
import { digestsMax } from "./schemas.js";

/** Sends notes to other nodes. Resolves when those have them. */
export type SendNotes = (
  name: RepositoryName,
  digests: Digest[],
  nodes: readonly NodeName[],
) => Promise<unknown>;

export class PushNotes {
  readonly #own = new Map<RepositoryName, Set<Set<Digest>>>();
  /** Requests of other nodes: by repository, their tokens, each with what to call when it ends. */
  readonly #elsewhere = new Map<RepositoryName, Map<string, () => void>>();

  constructor(readonly send: SendNotes) {}

  /** See `Leases.note`. */
  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined {
    const requests = this.#elsewhere.get(name);
    if (requests === undefined && !this.#own.has(name)) return undefined;
    const all = [...digests];
    this.noteHere(name, all);
    return requests && this.#noteElsewhere(name, all, [...new Set(Array.from(requests.keys(), nodeOf))]);
  }

  noteHere(name: RepositoryName, digests: readonly Digest[]): void {
    for (const notes of this.#own.get(name) ?? []) for (const digest of digests) notes.add(digest);
  }

  async #noteElsewhere(
    name: RepositoryName,
    digests: readonly Digest[],
    nodes: readonly NodeName[],
  ): Promise<void> {
    for (const part of batchesOf(digests, digestsMax)) await this.send(name, part, nodes);
  }

  /** Adds to `notes` what is noted for the repository while `work` runs. */
  async during<T>(
    name: RepositoryName,
    notes: Set<Digest>,
    work: (noted: ReadonlySet<Digest>) => Promise<T>,
  ): Promise<T> {
    const own = this.#own.get(name) ?? new Set();
    this.#own.set(name, own.add(notes));
    try {
      return await work(notes);
    } finally {
      own.delete(notes);
      if (own.size === 0) this.#own.delete(name);
    }
  }

  /** Sends notes to the node of the token, until `end`. */
  begin(name: RepositoryName, token: string, onEnd: () => void = () => {}): void {
    const requests = this.#elsewhere.get(name) ?? new Map<string, () => void>();
    this.#elsewhere.set(name, requests);
    requests.get(token)?.();
    requests.set(token, onEnd);
  }

  end(name: RepositoryName, token: string): void {
    const requests = this.#elsewhere.get(name);
    requests?.get(token)?.();
    requests?.delete(token);
    if (requests?.size === 0) this.#elsewhere.delete(name);
  }

  /** Ends all requests of a node. */
  gone(node: NodeName): void {
    for (const [name, requests] of this.#elsewhere)
      for (const token of requests.keys()) if (nodeOf(token) === node) this.end(name, token);
  }
}
