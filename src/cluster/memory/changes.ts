/** Changes within one process: calls each listener. */
import { allEnded } from "../../lib/in-parallel.js";
import type { Change, ChangeListener, Changes, ChangesLost } from "../cluster.js";

/** The changes of all nodes of one process, each with its listeners. */
export class MemoryBus {
  readonly #nodes = new Set<Set<ChangeListener>>();

  /** Returns the changes as one node publishes and receives them. */
  node(): Changes {
    const own = new Set<ChangeListener>();
    this.#nodes.add(own);
    return {
      publish: (change) => this.tell(change, own),
      knows: () => true,
      subscribe: (listener) => {
        own.add(listener);
        return () => own.delete(listener);
      },
    };
  }

  /** Sends a change to all nodes. `from` are the listeners of the publishing node, if any. */
  tell(change: Change | ChangesLost, from?: Set<ChangeListener>): Promise<void> | undefined {
    let waits: Promise<void>[] | undefined;
    for (const listeners of this.#nodes) {
      for (const listener of listeners) {
        const wait = listener(change, listeners === from ? "here" : "elsewhere");
        if (wait !== undefined) waits = [...(waits ?? []), wait];
      }
    }
    return waits && allEnded(waits);
  }
}
