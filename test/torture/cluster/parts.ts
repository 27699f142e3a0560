/** A cluster on one machine whose parts fail one by one: nodes, the balancer, the S3 server, the engine, and the network. */
import { startByProcess } from "../../support/by-process.js";
import { type FaultRelay, startFaultRelay } from "../../support/fault-relay.js";
import type { GantrySettings } from "../../support/gantry.js";
import { type Balancer, startHaproxy } from "../../support/haproxy.js";
import { type RedisServer, startRedisServer } from "../../support/redis-server.js";
import { type Relay, startRelay } from "../../support/relay.js";
import { bucketSettings, makeS3Node, type S3Node } from "../../support/s3-node.js";
import { type S3Engine, type S3Server, startS3Server } from "../../support/s3-server.js";

/** A node, and its own ways to the store and to the engine. */
export interface Member {
  readonly node: S3Node;
  readonly toStore: Relay;
  /** Absent if there is only one node. */
  readonly toEngine: Relay | undefined;
}

export interface Parts extends AsyncDisposable {
  readonly store: S3Server;
  /** Between all nodes and the store. */
  readonly faults: FaultRelay;
  readonly engine: RedisServer | undefined;
  readonly members: readonly Member[];
  readonly balancer: Balancer;
  /** Settings with which a command works on the bucket while no node runs. */
  readonly commandSettings: GantrySettings;
}

/** The collector runs all the time, and spares nothing for long. */
const nodeSettings: GantrySettings = {
  REGISTRY_GC_INTERVAL: "1s",
  REGISTRY_GC_LEASE: "5s",
  REGISTRY_UPLOADS_WORKERS: "2",
  // The least that S3 allows, so that large blobs have several parts.
  REGISTRY_STORAGE_S3_CHUNKSIZE: String(5 * 1024 * 1024),
  // A client of the torture reads what it gets.
  REGISTRY_STORAGE_REDIRECT_DISABLE: "true",
  REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL: "500ms",
  // The log is for what goes wrong.
  REGISTRY_LOG_ACCESSLOG_DISABLED: "true",
};

export interface PartsOptions {
  readonly nodes: number;
  readonly engine: S3Engine;
}

export async function startParts(options: PartsOptions): Promise<Parts> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.reverse()) await closer();
  };
  try {
    const store = await startS3Server(options.engine);
    closers.push(() => store.stop());
    const faults = await startFaultRelay(store.port);
    closers.push(() => faults.stop());
    const engine = options.nodes > 1 ? await startRedisServer() : undefined;
    if (engine !== undefined) closers.push(() => engine.stop());
    // Nodes of a cluster must name their engine alike.
    const engineAddress = await startByProcess();
    closers.push(() => engineAddress.stop());
    const members: Member[] = [];
    for (let count = 0; count < options.nodes; count++) {
      const toStore = await startRelay(faults.port);
      closers.push(() => toStore.stop());
      const toEngine = engine === undefined ? undefined : await startRelay(engine.port);
      if (toEngine !== undefined) closers.push(() => toEngine.stop());
      const node = await makeS3Node(store, {
        endpoint: toStore.url,
        settings: nodeSettings,
        ...(toEngine !== undefined && { redis: engineAddress.address }),
      });
      if (toEngine !== undefined) engineAddress.ways.push({ pid: () => node.pid, port: toEngine.port });
      closers.push(() => node.stop());
      await node.start();
      closers.push(() => node.kill());
      members.push({ node, toStore, toEngine });
    }
    const balancer = await startHaproxy(members.map(({ node }) => node.port));
    closers.push(() => balancer.stop());
    return {
      store,
      faults,
      engine,
      members,
      balancer,
      commandSettings: bucketSettings(store),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
