/** Changes over the sockets between processes. */
import { allEnded } from "../../lib/in-parallel.js";
import { ChangeListeners } from "../change-listeners.js";
import type { Change, Changes } from "../cluster.js";
import type { Peer } from "./peer.js";

export class SocketChanges extends ChangeListeners implements Changes {
  constructor(readonly peer: Peer) {
    super();
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
}
