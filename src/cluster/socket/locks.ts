/** Locks over all processes. An exclusive holder asks the hub, which makes all other processes hold theirs on its behalf. */
import type { Hold } from "../cluster.js";
import { NodeLocks } from "../node-locks.js";
import type { Peer } from "./peer.js";

/** A process that loses the hub ends at once. */
const neverLost: Hold = { confirm: () => {} };

export class SocketLocks<Key extends string> extends NodeLocks<Key> {
  constructor(
    kind: string,
    readonly peer: Peer,
  ) {
    super(kind);
  }

  protected withShared<T>(work: (hold: Hold) => Promise<T>): Promise<T> {
    return work(neverLost);
  }

  protected async withExclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T> {
    const token = await this.peer.askHub<"enter">({ kind: "enter", lock: this.kind, key });
    try {
      return await this.local.exclusive(key, () => work(neverLost));
    } finally {
      this.peer.tell("hub", { kind: "leave", token });
    }
  }
}

/** Answers the questions about locks for all kinds. */
export function answerLocks({ handlers }: Peer, all: readonly SocketLocks<string>[]): void {
  const locksOf = (lock: string) => all.find(({ kind }) => kind === lock);
  handlers.on("drain", async ({ lock, key, token }) => {
    await locksOf(lock)?.drain(key, token);
    return null;
  });
  handlers.on("inherit", ({ lock, key, token }) => {
    locksOf(lock)?.inherit(key, token);
    return null;
  });
  handlers.on("release", ({ token }) => {
    for (const locks of all) locks.release(token);
    return null;
  });
}
