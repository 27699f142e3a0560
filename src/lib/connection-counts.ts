/**
 * Counts open connections, and refuses those beyond a limit: of all together and of one client.
 *
 * Whoever accepts connections may not be able to say which one has closed (uWebSockets.js is not). The number of all is
 * exact nevertheless. A client's own number only grows until `recount` tells the truth, which is asked for where it
 * decides: when a client would be refused although some of its connections may have closed.
 */
import type { ConnectionLimits } from "./connection-limits.js";

/** Which limit a connection was refused for. */
export type Refusal = "total" | "client";

/** Connections by client, as the kernel has them; `undefined` where it does not tell. */
export type Recount = () => Promise<ReadonlyMap<string, number> | undefined>;

const recountMillisecondsMin = 1000;

/** Clients that are remembered beyond those that can be connected. */
const staleClientsMax = 4096;

export class ConnectionCounts {
  /** Connections that are open. */
  open = 0;
  readonly refused: Record<Refusal, number> = { total: 0, client: 0 };
  #byClient = new Map<string, number>();
  /** Of all that are in `#byClient`: at least as many as are open. */
  #counted = 0;
  #recountedAt = Number.NEGATIVE_INFINITY;
  /** Connections that came while a recount was under way. */
  #meanwhile: string[] | undefined;

  constructor(
    readonly limits: ConnectionLimits,
    readonly recount: Recount,
  ) {}

  /** Counts a connection, or says why it is refused. `isLimited` is false for a client that stands for many. */
  enter(client: string, isLimited = true): Refusal | undefined {
    const refusal = this.#refusalOf(client, isLimited);
    if (refusal !== undefined) {
      this.refused[refusal]++;
      return refusal;
    }
    this.open++;
    this.#add(client, 1);
    this.#meanwhile?.push(client);
    if (this.#byClient.size > 2 * this.open + staleClientsMax) void this.#correct();
    return undefined;
  }

  /** To be called when a connection that was counted has closed, whichever it is. */
  leave(): void {
    this.open--;
    if (this.open === 0) this.#replace(new Map());
  }

  #refusalOf(client: string, isLimited: boolean): Refusal | undefined {
    const { total, perClient } = this.limits;
    if (this.open >= total) return "total";
    const own = this.#byClient.get(client) ?? 0;
    if (!isLimited || own < perClient) return undefined;
    const closed = Math.max(0, this.#counted - this.open);
    if (own - closed >= perClient) return "client";
    void this.#correct();
    // Until it is known, the client gets the benefit of the doubt as long as there is room for others.
    return this.open < total / 2 ? undefined : "client";
  }

  /** Asks the kernel, once a second at most. */
  async #correct(): Promise<void> {
    const now = performance.now();
    if (this.#meanwhile !== undefined || now - this.#recountedAt < recountMillisecondsMin) return;
    this.#recountedAt = now;
    this.#meanwhile = [];
    // Where the kernel does not tell, what was counted so far is worth nothing.
    const found = await this.recount().catch(() => undefined);
    const meanwhile = this.#meanwhile;
    this.#meanwhile = undefined;
    this.#replace(new Map(found));
    for (const client of meanwhile) this.#add(client, 1);
  }

  #replace(counts: Map<string, number>): void {
    this.#byClient = counts;
    this.#counted = 0;
    for (const count of counts.values()) this.#counted += count;
  }

  #add(client: string, count: number): void {
    this.#byClient.set(client, (this.#byClient.get(client) ?? 0) + count);
    this.#counted += count;
  }
}
