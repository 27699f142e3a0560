/**
 * Opens the state that the nodes of a registry share: in this process's memory, or in Valkey if the settings name a server.
 * Part of the composition root.
 */
import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "node:tls";
import type { Cluster } from "../cluster/cluster.js";
import { MemoryCluster } from "../cluster/memory/open.js";
import type { Processes } from "../cluster/valkey/burials.js";
import type { EngineOptions } from "../cluster/valkey/engine.js";
import { defaultTimes } from "../cluster/valkey/times.js";
import type { Config } from "../config/config.js";
import { asConfigError } from "../config/errors.js";
import { describeError } from "../lib/describe-error.js";
import type { ClusterMeasures } from "../observe/metrics/cluster.js";
import { isRunning, nameOf, ownIdentity, parseName } from "../storage/s3/process-identity.js";
import type { OpenedStorage, Opening, SharedStorage } from "./opening.js";
import type { ProcessGroup } from "./processes/group.js";
import { engineWaitMilliseconds, reachEngine } from "./reach-engine.js";

export type RedisSettings = NonNullable<Config["redis"]>;

export interface OpenedCluster {
  readonly cluster: Cluster;
  /** Absent if this node is alone. */
  readonly measures?: ClusterMeasures;
}

/** Names the engine for the lock of a bucket. */
export function engineNameOf({ addrs, db }: RedisSettings): string {
  return `${addrs.map(({ host, port }) => `${host}:${port}`).join()}/${db}`;
}

/** Rejects if the engine refuses, or cannot be reached for long. Call it when the storage is open, and before anything is served. */
export function openCluster(opening: Opening, opened: OpenedStorage): Promise<OpenedCluster> {
  const { redis } = opening.config;
  const { shared } = opened;
  if (opening.group !== undefined) return openSocket(opening, opening.group, opened);
  if (redis === undefined || shared === undefined) return openMemory(opening, opened);
  return openValkey(opening, redis, opened.storage.fresh, shared);
}

async function openMemory({ config, closers }: Opening, { storage }: OpenedStorage): Promise<OpenedCluster> {
  const shared = new MemoryCluster({ leaseSeconds: config.gc.lease });
  if (storage.readOnly) shared.pause();
  else {
    await shared.restore(storage.notes, storage.fresh);
    // Without saved leases, everything is protected for a while after the next start.
    closers.add("leases", () => shared.save(storage.notes));
  }
  return { cluster: shared.node() };
}

/** The leases of the other processes are with the first one when it saves them. */
async function openSocket(
  { config, closers }: Opening,
  group: ProcessGroup,
  { storage }: OpenedStorage,
): Promise<OpenedCluster> {
  const cluster = await group.join(config.gc.lease);
  if (!group.isFirst) return { cluster };
  if (storage.readOnly) cluster.pause();
  else {
    await cluster.restore(storage.notes, storage.fresh);
    closers.add("leases", () => cluster.save(storage.notes));
  }
  return { cluster };
}

/** The client is loaded only if it is used: that takes 60 ms. */
async function openValkey(
  { config, log, closers }: Opening,
  redis: RedisSettings,
  fresh: boolean,
  shared: SharedStorage,
): Promise<OpenedCluster> {
  const { openValkeyCluster } = await import("../cluster/valkey/open.js");
  const engine = await engineOptionsOf(redis);
  let isOpen = false;
  const onError = seldom((error) => {
    // Before, each failure ends an attempt, which tells why.
    if (isOpen) log.warn({ err: error }, "the engine of redis.addrs does not answer as expected");
  });
  const processes = await localProcesses();
  const open = () =>
    openValkeyCluster({
      engine,
      storeId: shared.id,
      leaseSeconds: config.gc.lease,
      fresh,
      records: shared.nodes,
      onError,
      processes,
    });
  const cluster = await reachEngine(open, {
    place: engineNameOf(redis),
    waitMilliseconds: engineWaitMilliseconds,
    onWaiting: (why) => log.warn(why),
  });
  isOpen = true;
  closers.add("engine of the cluster", () => cluster.close());
  return { cluster, measures: cluster };
}

async function localProcesses(): Promise<Processes> {
  return {
    own: nameOf(await ownIdentity()),
    hasEnded: async (name) => {
      const identity = parseName(name);
      return identity !== undefined && (await isRunning(identity)) === false;
    },
  };
}

export async function engineOptionsOf(redis: RedisSettings): Promise<EngineOptions> {
  const [{ host, port } = { host: "", port: 0 }] = redis.addrs;
  return {
    host,
    port,
    username: redis.username,
    password: redis.password?.reveal(),
    db: redis.db,
    connectMilliseconds: redis.dialtimeout * 1000,
    // The times of the protocol build on this.
    commandMilliseconds: defaultTimes.commandMilliseconds,
    tls: redis.tls && (await tlsOf(redis.tls)),
  };
}

async function tlsOf({
  certificate,
  key,
  rootcas,
  clientcas,
}: NonNullable<RedisSettings["tls"]>): Promise<ConnectionOptions> {
  const read = (file: string, name: string) => readFile(file).catch(asConfigError(`redis.tls.${name}`));
  const cas = [...rootcas, ...clientcas];
  return {
    ...(certificate !== undefined && { cert: await read(certificate, "certificate") }),
    ...(key !== undefined && { key: await read(key, "key") }),
    ...(cas.length > 0 && { ca: await Promise.all(cas.map((file) => read(file, "rootcas"))) }),
  };
}

/** A client without a connection reports that several times a second. */
const silentMilliseconds = 60_000;

/** Skips repeated errors with the same message. */
function seldom(tell: (error: unknown) => void): (error: unknown) => void {
  let last = "";
  let until = 0;
  return (error) => {
    const message = describeError(error);
    const now = performance.now();
    if (message === last && now < until) return;
    last = message;
    until = now + silentMilliseconds;
    tell(error);
  };
}
