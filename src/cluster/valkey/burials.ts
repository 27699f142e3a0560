/**
 * Ends the membership of nodes whose process has ended on this machine, such as this node's own previous process. Without
 * proof of its end, others wait until a silent node is forgotten, because it may still work.
 */
import type { NodeName } from "../cluster.js";
import type { Engine } from "./engine.js";
import type { Membership } from "./membership.js";
import { forgottenAfter, trustedFor } from "./times.js";

export interface Processes {
  /** Names this process, so that another one on the same machine can tell whether it has ended. */
  readonly own: string;
  /** Resolves with whether the process with this name is certain to have ended. */
  hasEnded(name: string): Promise<boolean>;
}

/** How often silent nodes are looked for. */
const lookMilliseconds = 1_000;

export class Burials {
  /** When each silent node was first found to have ended. */
  readonly #endedAt = new Map<NodeName, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(
    readonly engine: Engine,
    readonly members: Membership,
    readonly processes: Processes,
    readonly onError: (error: unknown) => void,
  ) {
    this.#timer = setInterval(() => void this.#look().catch(onError), lookMilliseconds).unref();
  }

  async #look(): Promise<void> {
    const { members } = this;
    for (const name of this.#endedAt.keys()) if (!members.isMember(name)) this.#endedAt.delete(name);
    if (!members.isInTouch) return;
    for (const name of members.others()) if (members.isSilent(name)) await this.#bury(name);
  }

  async #bury(name: NodeName): Promise<void> {
    const { engine, members, processes } = this;
    const process = await engine.field("processes", name);
    if (process === null || !(await processes.hasEnded(process))) return;
    const endedAt = this.#endedAt.get(name) ?? performance.now();
    this.#endedAt.set(name, endedAt);
    if (performance.now() - endedAt < this.#settleMilliseconds) return;
    const { leaseSeconds } = members.options;
    await engine.script("bury", ["members", "pausedUntil", "processes", "held"], [name, leaseSeconds * 1000]);
  }

  /** The store carries out what a process has sent within the time that the protocol allows a living node for it. */
  get #settleMilliseconds(): number {
    const { times } = this.members.options;
    return Math.max(
      times.heldMilliseconds - trustedFor(times),
      times.memberMilliseconds - forgottenAfter(times),
    );
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
