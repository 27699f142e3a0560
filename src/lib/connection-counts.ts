/**
 * Counts open connections and refuses those beyond the limits, in total and per client.
 *
 * uWebSockets.js reports that a connection closed, but not whose it was. The total is therefore exact, while the count of a
 * client only grows until `recount` corrects it from the kernel's table. A recount runs when a client is about to be refused
 * although some of its connections may have closed.
 *
 * The kernel's table has the connections of all processes that share the port. A process therefore recounts as soon as a client
 * has its part of the limit here.
 */
import { type ConnectionLimits, mustLeaveRoom } from "./connection-limits.js";

/** Which limit a connection was refused for. */
export type Refusal = "total" | "client";

/** Returns the connections of each client from the kernel, or undefined if they cannot be read. */
export type Recount = () => Promise<ReadonlyMap<string, number> | undefined>;

/** A client may be refused wrongly until the next recount. Reading a table of 16,000 connections takes about 10 ms. */
const recountMillisecondsMin = 250;

/** Clients remembered in addition to those that can be connected. */
const staleClientsMax = 4096;

export class ConnectionCounts {
  /** Connections that are open. */
  open = 0;
  readonly refused: Record<Refusal, number> = { total: 0, client: 0 };
  #byClient = new Map<string, number>();
  /** Connections that have closed since `#byClient` was correct, of unknown clients. */
  #closed = 0;
  #recountedAt = Number.NEGATIVE_INFINITY;
  /** Connections accepted while a recount was running. */
  #meanwhile: string[] | undefined;

  constructor(
    readonly limits: ConnectionLimits,
    readonly recount: Recount,
  ) {}

  /** Counts a connection, or returns why it is refused. `isLimited` is false for a proxy, which stands for many clients. */
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

  /** Call this once for each counted connection that has closed. */
  leave(): void {
    this.open--;
    this.#closed++;
    if (this.open === 0) this.#replace(new Map(), 0);
  }

  #refusalOf(client: string, isLimited: boolean): Refusal | undefined {
    const { total, perClient, processes = 1 } = this.limits;
    if (this.open >= total) return "total";
    if (!isLimited) return undefined;
    const own = this.#byClient.get(client) ?? 0;
    const hasPart = own * processes >= perClient || mustLeaveRoom(own * processes, this.open, total);
    // Connections have closed here, of unknown clients, or have opened or closed at other processes.
    const mayBeWrong = processes > 1 || this.#closed > 0;
    if (hasPart && mayBeWrong) void this.#correct();
    // This client has at least `sure`, but for those that have closed elsewhere since the table was read.
    const sure = own - this.#closed;
    if (sure >= perClient) return "client";
    // While a flood goes on, connections close all the time: counted by `sure`, no client would have many. A client whose
    // connections have closed is refused until the table is read.
    if (mustLeaveRoom(own, this.open, total)) return "total";
    // While the recount runs, accept a client at its limit as long as there is room for others.
    return own < perClient || this.open < total / 2 ? undefined : "client";
  }

  /** Reads the kernel's table, unless it was read a moment ago. */
  async #correct(): Promise<void> {
    const now = performance.now();
    if (this.#meanwhile !== undefined || now - this.#recountedAt < recountMillisecondsMin) return;
    this.#recountedAt = now;
    this.#meanwhile = [];
    // The table may still have those that close from now on.
    const closed = this.#closed;
    // Without the kernel's table, the counts gathered so far are useless.
    const found = await this.recount().catch(() => undefined);
    const meanwhile = this.#meanwhile;
    this.#meanwhile = undefined;
    this.#replace(new Map(found), this.#closed - closed);
    for (const client of meanwhile) this.#add(client, 1);
  }

  #replace(counts: Map<string, number>, closed: number): void {
    this.#byClient = counts;
    this.#closed = closed;
  }

  #add(client: string, count: number): void {
    this.#byClient.set(client, (this.#byClient.get(client) ?? 0) + count);
  }
}
