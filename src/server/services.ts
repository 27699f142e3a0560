/**
 * Opens a store and all services on it except HTTP, for the server or for an operator's command without a server. Part of
 * the composition root.
 */
import { LRUCache } from "lru-cache";
import { z } from "zod";
import { Robots } from "../auth/robots.js";
import { Caches } from "../cache/caches.js";
import { followChanges } from "../cache/follow-changes.js";
import type { Cluster } from "../cluster/cluster.js";
import type { Config } from "../config/config.js";
import type { HistoryBounds } from "../domain/tag-history.js";
import { GcStats } from "../gc/gc-stats.js";
import { Pulls } from "../gc/pulls.js";
import { ByteBudget } from "../lib/byte-budget.js";
import type { Closers } from "../lib/closers.js";
import { idleBlobs } from "../lib/connection-limits.js";
import { Overflow } from "../lib/overflow.js";
import { defaultSlabs, SlabPool } from "../lib/slab-pool.js";
import type { ClusterMeasures } from "../observe/metrics/cluster.js";
import { Health } from "../registry/health.js";
import { ManifestReader } from "../registry/manifest-reader/manifest-reader.js";
import type { Services } from "../registry/services.js";
import { UntaggedPushes } from "../registry/untagged-pushes.js";
import type { Storage } from "../storage/storage.js";
import { adoptSessions, restoreSessions, savedSessions, saveSessions } from "../uploads/saved-sessions.js";
import { SessionTable } from "../uploads/session-table.js";
import { openCluster } from "./cluster.js";
import { descriptorsMax } from "./connections.js";
import type { OpenedStorage, Opening, OpenOptions } from "./opening.js";
import type { ProcessGroup } from "./processes/group.js";
import { openStorage } from "./storage.js";
import { openTagPolicy } from "./tag-policy.js";
import { mirroredNames } from "./upstreams.js";

export interface OpenedServices {
  readonly services: Services;
  readonly opened: OpenedStorage;
  /** Absent if this node is alone. */
  readonly cluster: ClusterMeasures | undefined;
}

const mebibyte = 1024 * 1024;

/** A disk that needs longer to sync a few bytes, or workers with a longer backlog, also delay clients. */
const healthSecondsMax = 10;

/**
 * This many manifests of maximum size may be received at the same time, half of them from one client. Receiving one of
 * 4 MiB takes 20 ms at 200 MB/s.
 */
const manifestsAtOnce = 16;

/** One read from each of 64 sockets, which deliver 512 KiB each before they can be paused. */
const overflowBytesMin = 32 * mebibyte;

/** Rejects if the folder cannot be used. */
export async function openServices(opening: Opening, options: OpenOptions): Promise<OpenedServices> {
  const { config, log, closers } = opening;
  const onBackgroundError = (error: unknown) => log.error({ err: error }, "clean-up failed");
  const onStray = once((what, why) => log.warn({ what, why }, "ignored a stray file in the store"));
  const tagPolicy = await openTagPolicy(opening, options);
  const slabs = openSlabs(config);
  const opened = await openStorage(opening, slabs, options, onStray);
  const { storage } = opened;
  const manifestReader = openManifestReader(opening);
  const { cluster, measures } = await openCluster(opening, opened);
  // Sessions without bytes are saved for the next process, which several nodes do not have.
  const isFirst = opening.group?.isFirst !== false;
  const savesSessions = !storage.readOnly && measures === undefined && isFirst;
  // Those that nodes share are recovered when they are asked for, by the node that is asked.
  const recovers =
    options.serving && !storage.readOnly && (!storage.uploads.isShared || opening.group?.isFirst === true);
  const sessions = openSessions(opening, storage, cluster, { ...options, recovers }, onBackgroundError);
  if (savesSessions) await restoreSessions(sessions, storage.notes);
  if (opening.group !== undefined) openHandingOver(opening.group, sessions, closers);
  const isMirrored = mirroredNames(config);
  const bodyBytes = manifestsAtOnce * config.limits.manifestbytes;
  const services: Services = {
    storage,
    cluster,
    pulls: new Pulls(),
    untaggedPushes: new UntaggedPushes(cluster.changes),
    gcStats: new GcStats(),
    health: openHealth(opening, storage),
    robots: await Robots.load(storage.robots, cluster.changes),
    caches: new Caches(storage, cluster.changes, idleBlobs(await descriptorsMax())),
    sessions,
    slabs,
    overflow: new Overflow({
      memory: slabs.overflow,
      openFile: () => storage.uploads.openScratchFile(),
    }),
    manifestReader,
    bodyMemory: new ByteBudget(bodyBytes, bodyBytes / 2),
    rules: {
      deleteEnabled: config.storage.delete.enabled,
      anonymousMount: config.storage.mount.anonymous,
      allowsSparse: (name) => config.validation.manifests.sparse || isMirrored(name),
      strictSizes: config.validation.manifests.sizes === "strict",
      get tagPolicy() {
        return tagPolicy.current;
      },
      history: historyBounds(config),
      manifestBytesMax: config.limits.manifestbytes,
      pageEntriesMax: config.limits.pageentries,
    },
    isMirrored,
    onStray,
    onBackgroundError,
  };
  followChanges(services.caches, cluster.changes);
  closers.add("open blobs", () => services.caches.openBlobs.clear());
  if (!storage.readOnly) {
    if (savesSessions) closers.add("upload sessions", () => saveSessions(sessions, storage.notes));
    closers.add("robots", () => services.robots.saveUses());
    closers.add("times of pulls", () => services.pulls.save(storage.tags));
  }
  closers.add("purging of uploads", () => sessions.stop());
  return { services, opened, cluster: measures };
}

const sessionsCall = "sessions";

/** The first process saves the sessions without bytes of all. */
function openHandingOver(
  { isFirst, calls, askFirst }: ProcessGroup,
  sessions: SessionTable,
  closers: Closers,
): void {
  if (isFirst)
    calls.answer(sessionsCall, (saved) => {
      adoptSessions(sessions, z.array(z.unknown()).parse(saved));
      return null;
    });
  else closers.add("upload sessions", () => askFirst(sessionsCall, savedSessions(sessions)));
}

function historyBounds({ tags: { history } }: Config): HistoryBounds | undefined {
  if (history.entries === 0) return undefined;
  return { entriesMax: history.entries, keptMilliseconds: history.age * 1000 };
}

function openSlabs({ uploads }: Config): SlabPool {
  const bytes = uploads.memorymib * mebibyte;
  return new SlabPool({
    ...defaultSlabs,
    slabs: Math.floor(bytes / defaultSlabs.slabBytes),
    overflowBytes: Math.max(overflowBytesMin, bytes),
  });
}

function openManifestReader({ config: { limits }, log, closers }: Opening): ManifestReader {
  const reader = new ManifestReader(
    {
      depthMax: limits.manifestdepth,
      keysMax: limits.manifestkeys,
      descriptorsMax: limits.manifestdescriptors,
      annotationBytesMax: limits.annotationbytes,
    },
    (error) => log.error({ err: error }, "a worker thread crashed and was replaced"),
  );
  closers.add("reader of manifests", () => reader.close());
  return reader;
}

function openSessions(
  { config, group }: Opening,
  { uploads, readOnly }: Storage,
  cluster: Cluster,
  { serving, recovers }: { readonly serving: boolean; readonly recovers: boolean },
  onError: (error: unknown) => void,
): SessionTable {
  const { total, peruser, unused } = config.limits.sessions;
  const { enabled, age, interval } = config.storage.maintenance.uploadpurging;
  return new SessionTable(uploads, cluster, {
    onError,
    sessionsMax: total,
    sessionsPerClientMax: peruser,
    shared: group?.limits,
    unusedSecondsMax: unused,
    idleSecondsMax: age,
    recovers,
    purgeEverySeconds: serving && enabled && !readOnly ? interval : 0,
  });
}

function openHealth({ config, log, group }: Opening, storage: Storage): Health {
  const { enabled, threshold, freemib } = config.health.storagedriver;
  return new Health(
    { storage },
    {
      enabled,
      threshold,
      freeBytesMin: freemib * mebibyte,
      secondsMax: healthSecondsMax,
      others: group?.health,
      onChange: (part, failure) =>
        failure === undefined
          ? log.info({ part }, "health check recovered")
          : log.error({ part, err: failure }, "health check failed: not ready"),
    },
  );
}

/** Maximum number of remembered names, about 200 bytes each. */
const namedMax = 5_000;

/** Wraps `tell` to skip repeated calls for the same name. */
function once(tell: (what: string, why: string) => void): (what: string, why: string) => void {
  const named = new LRUCache<string, true>({ max: namedMax });
  return (what, why) => {
    if (named.get(what) === true) return;
    named.set(what, true);
    tell(what, why);
  };
}
