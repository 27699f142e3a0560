/** Leases over all nodes. Each node keeps those that it granted. Before a removal, the remover asks all nodes. */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { NodeName, ObjectKey } from "./cluster.js";
import type { MemoryLeases } from "./memory/leases.js";
import { nodeOf } from "./node-name.js";

export abstract class NodeLeases {
  /** Ends the removals of other nodes here, by token. */
  readonly #removals = new Map<string, () => void>();

  constructor(
    readonly local: MemoryLeases,
    /** Repositories that were locked when this node joined: their objects may be condemned. */
    readonly inherited: ReadonlyMap<string, Promise<void>>,
  ) {}

  grant(key: ObjectKey): void {
    this.local.grant(key);
  }

  renew(key: ObjectKey): void {
    this.local.renew(key);
  }

  async during<T>(
    key: ObjectKey,
    look: () => T | undefined | Promise<T | undefined>,
  ): Promise<T | undefined> {
    if (this.inherited.size > 0) await this.inherited.get(key.slice(0, key.indexOf("@")));
    return this.local.during(key, look);
  }

  /** Calls `end` if the token's node may have ended without a message. Returns how to stop that. */
  protected abstract watch(token: string, end: () => void): () => void;

  /** Resolves with whether the object is leased here. If not, it counts as removed until the asker has ended. */
  protected condemnFor(name: RepositoryName, digest: Digest, token: string): Promise<boolean> {
    // From now on: the asker may end while this node's listeners still work.
    const over = new Promise<void>((end) => this.#removals.set(token, end));
    const unwatch = this.watch(token, () => this.over(token));
    return new Promise((resolve, reject) => {
      const removed = this.local.condemn(name, digest, () => {
        resolve(false);
        return over;
      });
      removed
        .then((result) => result === "leased" && resolve(true), reject)
        .finally(() => {
          unwatch();
          this.#removals.delete(token);
        });
    });
  }

  /** Ends the removal with that token. */
  protected over(token: string): void {
    this.#removals.get(token)?.();
  }

  /** Ends the removals of a node that has ended. */
  gone(node: NodeName): void {
    for (const token of this.#removals.keys()) if (nodeOf(token) === node) this.over(token);
  }
}
