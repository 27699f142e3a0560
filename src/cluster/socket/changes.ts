/** Changes over the sockets between processes. */
import { allEnded } from "../../lib/in-parallel.js";
import type { Change, ChangeListener, Changes, ChangesLost, Origin } from "../cluster.js";
import type { Peer } from "./peer.js";

export class SocketChanges implements Changes {
  readonly #listeners = new Set<ChangeListener>();

  constructor(readonly peer: Peer) {
    peer.handlers.on("change", async ({ change }) => {
      await this.tell(change, "elsewhere");
      return null;
    });
  }

  /** A process that does not receive all changes has ended. */
  knows(): boolean {
    return true;
  }

  publish(change: Change): Promise<void> {
    const here = this.tell(change, "here");
    return allEnded([here ?? Promise.resolve(), this.peer.ask<"change">({ kind: "change", change })]);
  }

  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls this process's listeners. */
  tell(change: Change | ChangesLost, origin: Origin): Promise<void> | undefined {
    let waits: Promise<void>[] | undefined;
    for (const listener of this.#listeners) {
      const wait = listener(change, origin);
      if (wait !== undefined) waits = [...(waits ?? []), wait];
    }
    return waits && allEnded(waits);
  }
}
