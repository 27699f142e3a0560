/** The cluster of a single-process registry, in its memory. */
import type { NoteStore } from "../../storage/storage.js";
import type { Cluster } from "../cluster.js";
import { MemoryBus } from "./changes.js";
import { MemoryHints } from "./hints.js";
import { type LeaseOptions, MemoryLeases } from "./leases.js";
import { MemoryLocks } from "./locks.js";
import { MemoryOnce } from "./once.js";
import { restoreLeases, saveLeases } from "./saved-leases.js";
import { MemoryOwners } from "./uploads.js";

/**
 * The state that the nodes of one process share. A registry has one node; tests create more, which see the same locks and
 * changes.
 */
export class MemoryCluster {
  readonly #bus = new MemoryBus();
  readonly #leases: MemoryLeases;
  readonly #owners = new MemoryOwners();
  readonly #once = new MemoryOnce();
  readonly #shared: Omit<Cluster, "changes" | "uploads">;
  #nodes = 0;

  constructor(options: LeaseOptions) {
    this.#leases = new MemoryLeases(options, (change) => this.#bus.tell(change));
    this.#shared = {
      repositoryLocks: new MemoryLocks(),
      targetLocks: new MemoryLocks(),
      maintenanceLocks: new MemoryLocks(),
      leases: this.#leases,
      once: (key, work, onNote) => this.#once.run(key, work, onNote),
      hints: new MemoryHints(),
    };
  }

  node(): Cluster {
    const name = `node:${++this.#nodes}` as const;
    return { ...this.#shared, uploads: this.#owners.node(name), changes: this.#bus.node() };
  }

  /** Restores the leases saved by the previous process. `fresh` states that there was none. */
  restore(notes: NoteStore, fresh: boolean): Promise<void> {
    return restoreLeases(this.#leases, notes, fresh);
  }

  /** Call it when no request is running. Without it, everything counts as leased after the next start. */
  save(notes: NoteStore): Promise<void> {
    return saveLeases(this.#leases, notes);
  }

  /** Pauses collection, for a read-only store. */
  pause(): void {
    this.#leases.pause();
  }

  /** Behaves like an engine that was emptied. */
  async lose(): Promise<void> {
    this.#owners.lose();
    this.#leases.pause();
    await this.#bus.tell({ kind: "lost" });
  }
}
