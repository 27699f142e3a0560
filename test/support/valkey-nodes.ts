// Two nodes of a cluster over one engine, with times of a second instead of minutes.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { Processes } from "../../src/cluster/valkey/burials.js";
import { openValkeyCluster, type ValkeyCluster } from "../../src/cluster/valkey/open.js";
import type { Times } from "../../src/cluster/valkey/times.js";
import type { NodeRecords } from "../../src/storage/node-records.js";
import type { RedisServer } from "./redis-server.js";

export const shortTimes: Times = {
  beatMilliseconds: 50,
  touchMilliseconds: 500,
  commandMilliseconds: 300,
  memberMilliseconds: 1_500,
  heldMilliseconds: 1_200,
};

export interface Nodes {
  readonly one: ValkeyCluster;
  readonly two: ValkeyCluster;
  /** Empties the engine, and resolves when both nodes know. */
  readonly lose: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface NodesOptions {
  readonly leaseSeconds?: number;
  readonly times?: Times;
  readonly port?: number;
  readonly processes?: Processes;
  /** Where the nodes are recorded that work without the engine. */
  readonly records?: NodeRecords;
}

let stores = 0;

/** Records in memory. They reject while the storage is `away`. */
export class MemoryRecords implements NodeRecords {
  readonly #renewedAt = new Map<string, number>();
  away = false;

  constructor(
    /** Records that others see, too. */
    readonly shared?: MemoryRecords,
  ) {}

  get renewedAt(): Map<string, number> {
    return this.shared?.renewedAt ?? this.#renewedAt;
  }

  async renew(node: string): Promise<void> {
    if (this.away) throw new Error("the storage is away");
    this.renewedAt.set(node, performance.now());
  }

  async isYoung(node: string, milliseconds: number): Promise<boolean> {
    return (await this.young(milliseconds)).includes(node);
  }

  async young(milliseconds: number): Promise<string[]> {
    if (this.away) throw new Error("the storage is away");
    const now = performance.now();
    return [...this.renewedAt].filter(([, at]) => now - at <= milliseconds).map(([node]) => node);
  }
}

export async function openNode(
  port: number,
  storeId: string,
  { leaseSeconds = 3600, times = shortTimes, records = new MemoryRecords(), processes }: NodesOptions,
  fresh: boolean,
): Promise<ValkeyCluster> {
  return openValkeyCluster({
    engine: {
      host: "127.0.0.1",
      port,
      db: 0,
      connectMilliseconds: 1_000,
      commandMilliseconds: times.commandMilliseconds,
    },
    storeId,
    leaseSeconds,
    fresh,
    records,
    onError: () => {},
    times,
    ...(processes !== undefined && { processes }),
  });
}

/** `port` and `second` are for the second node. Resolves when both nodes answer from their caches. */
export async function openNodes(
  server: RedisServer,
  { second, ...given }: NodesOptions & { readonly second?: NodesOptions },
): Promise<Nodes> {
  const storeId = `test-${process.pid}-${stores++}`;
  const options = { records: new MemoryRecords(), ...given };
  const port = options.port ?? server.port;
  const one = await openNode(server.port, storeId, options, true);
  const two = await openNode(port, storeId, { ...options, ...second }, false);
  const current = () => [one, two].every(({ changes }) => changes.knows("tags"));
  await until("both nodes are current", current);
  return {
    one,
    two,
    lose: async () => {
      const epochs = [one.epoch, two.epoch];
      // Only those of this store: others use the same server.
      const keys = ["members", "epoch", "held", "pausedUntil"].map((key) => `gantry:${storeId}:${key}`);
      await server.command("DEL", ...keys);
      await until("both nodes know the new epoch", () => one.epoch !== epochs[0] && two.epoch !== epochs[1]);
    },
    close: async () => {
      await Promise.all([one.close(), two.close()]);
    },
  };
}

export async function until(what: string, look: () => boolean, milliseconds = 10_000): Promise<void> {
  const end = Date.now() + milliseconds;
  while (!look()) {
    assert.ok(Date.now() < end, `not in time: ${what}`);
    await pause(10);
  }
}
