/** Changes over the sockets between processes. Those of a tag reach only the processes that follow it. */
import { allEnded } from "../../lib/in-parallel.js";
import { ChangeListeners } from "../change-listeners.js";
import type { Change, Changes, TagsKey } from "../cluster.js";
import { defaultFollowBounds, type FollowBounds, FollowedTags } from "./followed-tags.js";
import type { Peer } from "./peer.js";

export class SocketChanges extends ChangeListeners implements Changes {
  readonly #followed: FollowedTags;

  constructor(
    readonly peer: Peer,
    onError: (error: unknown) => void,
    bounds: FollowBounds = defaultFollowBounds,
  ) {
    super();
    const onLost = () => void this.tell({ kind: "lost", of: "tags" }, "elsewhere")?.catch(onError);
    this.#followed = new FollowedTags(peer, onLost, bounds);
    peer.handlers.on("change", async ({ change }) => {
      await this.tell(change, "elsewhere");
      return null;
    });
  }

  /** A process that does not receive what it follows has ended. All receive the changes of content. */
  knows(what: "content" | "tags"): boolean {
    return what === "content" || this.#followed.hasAll;
  }

  knowsTags(of: TagsKey): boolean {
    return this.#followed.has(of);
  }

  follow(of: TagsKey): void {
    this.#followed.follow(of);
  }

  followAll(): Promise<void> | undefined {
    return this.#followed.followAll();
  }

  publish(change: Change): Promise<void> {
    const here = this.tell(change, "here");
    return allEnded([here ?? Promise.resolve(), this.peer.ask<"change">({ kind: "change", change })]);
  }
}
