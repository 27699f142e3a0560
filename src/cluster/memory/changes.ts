/** Changes within one process: calls each listener. */
import { allEnded } from "../../lib/in-parallel.js";
import { ChangeListeners } from "../change-listeners.js";
import type { Change, Changes, ChangesLost } from "../cluster.js";

/** The changes of all nodes of one process, each with its listeners. */
export class MemoryBus {
  readonly #nodes = new Set<ChangeListeners>();

  /** Returns the changes as one node publishes and receives them. */
  node(): Changes {
    const own = new ChangeListeners();
    this.#nodes.add(own);
    return {
      publish: (change) => this.tell(change, own),
      knows: () => true,
      knowsTags: () => true,
      follow: () => {},
      followAll: () => undefined,
      subscribe: (listener) => own.subscribe(listener),
    };
  }

  /** Sends a change to all nodes. `from` are the listeners of the publishing node, if any. */
  tell(change: Change | ChangesLost, from?: ChangeListeners): Promise<void> | undefined {
    let waits: Promise<void>[] | undefined;
    for (const node of this.#nodes) {
      const wait = node.tell(change, node === from ? "here" : "elsewhere");
      if (wait !== undefined) waits = [...(waits ?? []), wait];
    }
    return waits && allEnded(waits);
  }
}
