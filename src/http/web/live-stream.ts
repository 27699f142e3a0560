/** One browser that receives changes, for as long as its visitor may know of them. */
import type { Visible } from "../../auth/gate.js";
import { EventStream } from "../event-stream.js";
import type { Exchange } from "../exchange.js";
import type { ShownChange, Update } from "./recent-changes.js";

/**
 * Resolves with the repositories that the visitor may see now; `undefined` if the visitor may no longer see the page. Never
 * rejects.
 */
export type Sight = () => Promise<Pick<Visible, "has"> | undefined>;

/** Repositories named in one event; the page is loaded again in any case. */
const namesMax = 8;

/** Browsers come back after a restart of the server, but not all at once. */
const retryMilliseconds = { min: 2_000, max: 5_000 } as const;

export class LiveStream {
  readonly #stream: EventStream;
  /** Whether changes were not sent, because the client reads too slowly. */
  #hasMissed = false;

  constructor(
    exchange: Exchange,
    readonly sight: Sight,
  ) {
    const { min, max } = retryMilliseconds;
    const retry = Math.round(min + Math.random() * (max - min));
    this.#stream = new EventStream(exchange, retry, () => this.#catchUp());
  }

  /** Resolves when the stream has ended or its client has disconnected. */
  get ended(): Promise<void> {
    return this.#stream.ended;
  }

  /** Sends the changes that the visitor may see. Ends the stream if the visitor may not see the page any more. */
  async send(update: Update): Promise<void> {
    const seen = await this.sight();
    if (seen === undefined) {
      this.end();
      return;
    }
    const { changes, hasMore } = visibleOf(update, seen);
    if (changes.length === 0 && !hasMore) return;
    if (this.#stream.hasRoom) this.#stream.send("change", { changes, hasMore });
    else this.#hasMissed = true;
  }

  /** Keeps the connection. Ends the stream if the visitor may not see the page any more. */
  async beat(): Promise<void> {
    if ((await this.sight()) === undefined) this.end();
    else this.#stream.beat();
  }

  end(): void {
    this.#stream.end();
  }

  #catchUp(): void {
    if (this.#hasMissed) this.#stream.send("change", { changes: [], hasMore: true });
    this.#hasMissed = false;
  }
}

function visibleOf({ changes, hasMore }: Update, seen: Pick<Visible, "has">): Update {
  const visible: ShownChange[] = [];
  for (const change of changes) {
    if (!seen.has(change.name)) continue;
    if (visible.length === namesMax) return { changes: visible, hasMore: true };
    visible.push(change);
  }
  return { changes: visible, hasMore };
}
