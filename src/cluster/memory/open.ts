/** The cluster of a registry that is one process: what nodes share is in its memory. */
import type { Cluster } from "../cluster.js";
import { MemoryBus } from "./changes.js";
import { MemoryLocks } from "./locks.js";

/** What the nodes of one process share. A registry has one node; tests make more, which see the same locks and changes. */
export class MemoryCluster {
  readonly #bus = new MemoryBus();
  readonly #shared = {
    repositoryLocks: new MemoryLocks(),
    targetLocks: new MemoryLocks(),
    maintenanceLocks: new MemoryLocks(),
  } satisfies Partial<Cluster>;

  node(): Cluster {
    return { ...this.#shared, changes: this.#bus.node() };
  }

  /** Behaves as an engine that was emptied does. */
  async lose(): Promise<void> {
    await this.#bus.lose();
  }
}
