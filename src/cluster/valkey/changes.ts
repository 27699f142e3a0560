/** Changes over the engine's messages. */
import { setTimeout as sleep } from "node:timers/promises";
import { allEnded } from "../../lib/in-parallel.js";
import { ChangeListeners } from "../change-listeners.js";
import type { Change, Changes } from "../cluster.js";
import { unavailable } from "./engine.js";
import type { Membership } from "./membership.js";
import type { Messages } from "./messages.js";
import { noticedAfter } from "./times.js";

/** Time for the listeners of another node, which read something from the storage at most. */
const listenerMillisecondsMax = 30_000;

export class ValkeyChanges extends ChangeListeners implements Changes {
  constructor(
    readonly members: Membership,
    readonly messages: Messages,
    onError: (error: unknown) => void,
  ) {
    super();
    members.listen({ lost: () => void this.tell({ kind: "lost" }, "elsewhere")?.catch(onError) });
    messages.on("change", async ({ change }) => {
      await this.tell(change, "elsewhere");
      return null;
    });
  }

  /** Content is removed only with the consent of all registered nodes, but a node that is out of touch may point a tag. */
  knows(what: "content" | "tags"): boolean {
    return what === "content" ? this.members.isCurrent : this.members.isComplete;
  }

  /** Each node receives all changes. */
  knowsTags(): boolean {
    return this.knows("tags");
  }

  follow(): void {}

  followAll(): undefined {}

  publish(change: Change): Promise<void> | undefined {
    const here = this.tell(change, "here");
    const isAlone = this.members.isInTouch && this.members.others().length === 0;
    if (isAlone) return here;
    return allEnded([here ?? Promise.resolve(), this.#publish(change)]);
  }

  async #publish(change: Change): Promise<void> {
    const { members, messages } = this;
    // Others notice that this node is out of touch, and answer nothing from their caches until it is back.
    if (!members.isInTouch)
      await sleep(Math.max(0, noticedAfter(members.options.times) - members.sinceTouch));
    if (members.isForgotten) throw unavailable("other nodes may keep outdated entries");
    if (!members.isInTouch) return;
    const { silent } = await messages.ask<"change">(
      { kind: "change", change },
      {
        of: members.others().filter((name) => !members.isDeaf(name)),
        waitMilliseconds: listenerMillisecondsMax,
      },
    );
    const slow = silent.find((name) => !members.isSilent(name));
    if (members.isInTouch && slow !== undefined)
      throw unavailable(`the node ${slow} does not acknowledge a change`);
  }
}
