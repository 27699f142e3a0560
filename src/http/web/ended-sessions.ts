/**
 * The sessions that visitors have ended by logging out: a copy of such a cookie is refused. Every node remembers them until
 * they expire. A restarted node, or one that missed the message, accepts a copy until then.
 */
import { LRUCache } from "lru-cache";
import type { Changes } from "../../cluster/cluster.js";
import type { WebSessionId } from "../../domain/web-session-id.js";
import { entriesMax } from "../../lib/lru-bound.js";

/** About 150 bytes each. */
const endedMax = 100_000;

export class EndedSessions {
  readonly #ended: LRUCache<WebSessionId, true>;

  constructor(
    readonly changes: Changes,
    seconds: number,
  ) {
    this.#ended = new LRUCache({ ...entriesMax(endedMax), ttl: 1000 * seconds });
    changes.subscribe((change) => {
      if (change.kind === "web-session-ended") this.#ended.set(change.session, true);
      return undefined;
    });
  }

  /** Resolves when the other nodes know. Rejects with `cluster-unavailable` if they cannot be reached. */
  async add(session: WebSessionId): Promise<void> {
    await this.changes.publish({ kind: "web-session-ended", session });
  }

  has(session: WebSessionId): boolean {
    return this.#ended.has(session);
  }
}
