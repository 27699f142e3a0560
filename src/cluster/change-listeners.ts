/** The listeners of one node to changes, whatever carries those to it. */
import { allEnded } from "../lib/in-parallel.js";
import type { Change, ChangeListener, ChangesLost, Origin } from "./cluster.js";

export class ChangeListeners {
  readonly #listeners = new Set<ChangeListener>();

  /** Returns the function that ends the subscription. */
  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls this node's listeners. Returns a promise only if one of them has to be waited for. */
  tell(change: Change | ChangesLost, origin: Origin): Promise<void> | undefined {
    let waits: Promise<void>[] | undefined;
    for (const listener of this.#listeners) {
      const wait = listener(change, origin);
      if (wait !== undefined) waits = [...(waits ?? []), wait];
    }
    return waits && allEnded(waits);
  }
}
