/**
 * Opens a store with everything that works on it, but for HTTP: what the server serves, and what an
 * operator's command works with where no server has the store. Part of the composition root.
 */

import { LRUCache } from "lru-cache";
import type { Logger } from "pino";
import { Robots } from "./auth/robots.js";
import { Caches } from "./cache/caches.js";
import type { Config } from "./config/config.js";
import { ByteBudget } from "./domain/byte-budget.js";
import { KeyedLock } from "./domain/keyed-lock.js";
import { Collections } from "./gc/collections.js";
import { Protection } from "./gc/protection.js";
import { Pulls } from "./gc/pulls.js";
import { noTagPolicy } from "./gc/retention.js";
import { restoreLeases, saveLeases } from "./gc/saved.js";
import { Closers } from "./lib/closers.js";
import { openUploadsPerWorker } from "./lib/connection-limits.js";
import { descriptorsMax } from "./open-connections.js";
import { Health } from "./registry/health.js";
import { KeptTally } from "./registry/kept-tally.js";
import type { Services } from "./registry/services.js";
import { type FilesystemStorage, openFilesystemStorage } from "./storage/filesystem/open.js";
import { ManifestReader } from "./threads/manifest-reader.js";
import { Overflow } from "./uploads/overflow.js";
import { restoreSessions, saveSessions } from "./uploads/saved-sessions.js";
import { SessionTable } from "./uploads/session-table.js";
import { defaultSlabs, SlabPool } from "./uploads/slab-pool.js";
import { WorkerPool } from "./uploads/worker-pool.js";

export interface OpenedServices {
  readonly services: Services;
  readonly storage: FilesystemStorage;
  readonly keptTally: KeptTally;
  /** To be called when nothing works with the services any more. */
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Whether this is to serve: then old uploads are purged. */
  readonly serving: boolean;
  /** Whether a store is made where there is none. */
  readonly create: boolean;
  readonly log: Logger;
}

const mebibyte = 1024 * 1024;

/** A disk that takes longer to sync a few bytes, or workers that are so far behind, keep clients waiting too. */
const healthSecondsMax = 10;

/**
 * So many of the largest may be received at a time, half of them of one client; it takes 20 ms to receive one of 4 MiB at
 * 200 MB/s.
 */
const manifestsAtOnce = 16;

/** A read of 64 sockets, which hand over 512 KiB each before they can be paused. */
const overflowBytesMin = 32 * mebibyte;

/** Rejects where the folder cannot be used. */
export async function openServices(
  config: Config,
  { serving, create, log }: OpenOptions,
): Promise<OpenedServices> {
  const { filesystem } = config.storage;
  const { policy } = config.tags;
  const tagPolicy =
    policy === undefined ? noTagPolicy : await (await import("./config/tag-policy.js")).readTagPolicy(policy);
  const onOdd = once((what, why) => log.warn({ what, why }, "passed over what does not belong in the store"));
  const onError = (error: unknown) => log.error({ err: error }, "a worker ended");
  const slabBytes = config.uploads.memorymib * mebibyte;
  const slabs = new SlabPool({
    ...defaultSlabs,
    slabs: Math.floor(slabBytes / defaultSlabs.slabBytes),
    overflowBytes: Math.max(overflowBytesMin, slabBytes),
  });
  const bodyBytes = manifestsAtOnce * config.limits.manifestbytes;
  const onBackgroundError = (error: unknown) => log.error({ err: error }, "clean-up failed");
  const closers = new Closers((error, what) =>
    log.error({ err: error, what }, "something could not be saved or closed"),
  );
  const workers = new WorkerPool(slabs, {
    threads: config.uploads.workers,
    durable: filesystem.durability === "full",
    cachedBytes: config.uploads.cachedmib * mebibyte,
    openUploadsMax: openUploadsPerWorker(await descriptorsMax(), config.uploads.workers),
    taskSecondsMax: config.uploads.tasktimeout,
    onError,
  });
  const manifestReader = new ManifestReader(
    {
      depthMax: config.limits.manifestdepth,
      keysMax: config.limits.manifestkeys,
      descriptorsMax: config.limits.manifestdescriptors,
      annotationBytesMax: config.limits.annotationbytes,
    },
    onError,
  );
  try {
    const storage = await openFilesystemStorage({
      rootDirectory: filesystem.rootdirectory,
      durability: filesystem.durability,
      digestFile: (file, expected) => workers.digestFile(file, expected),
      placeUpload: (place) => workers.place(place),
      doSteps: (steps) => workers.fileSteps(steps),
      onOdd,
      onError,
      create,
    }).catch(async (error: unknown) => {
      await workers.close();
      throw error;
    });
    closers.add("storage", () => storage.close());
    // They work on the files of the store, and the storage gives up its lock at the end.
    closers.add("workers", () => workers.close());
    closers.add("reader of manifests", () => manifestReader.close());
    const keptTally = await KeptTally.restore(storage);
    const { uploadpurging } = config.storage.maintenance;
    const { storagedriver } = config.health;
    const sessions = new SessionTable(storage.uploads, workers, {
      onError: onBackgroundError,
      sessionsMax: config.limits.sessions.total,
      sessionsPerClientMax: config.limits.sessions.peruser,
      unusedSecondsMax: config.limits.sessions.unused,
      idleSecondsMax: uploadpurging.age,
      recovers: serving && !storage.readOnly,
      purgeEverySeconds: serving && uploadpurging.enabled && !storage.readOnly ? uploadpurging.interval : 0,
    });
    const protection = new Protection({ leaseSeconds: config.gc.lease });
    if (storage.readOnly) protection.protectAll();
    else {
      await restoreLeases(protection, storage.notes, storage.fresh);
      await restoreSessions(sessions, storage.notes);
    }
    const services: Services = {
      storage,
      protection,
      pulls: new Pulls(),
      collections: new Collections(),
      health: new Health(
        { storage, workers },
        {
          enabled: storagedriver.enabled,
          threshold: storagedriver.threshold,
          freeBytesMin: storagedriver.freemib * mebibyte,
          secondsMax: healthSecondsMax,
          onChange: (part, failure) =>
            failure === undefined
              ? log.info({ part }, "well again")
              : log.error({ part, err: failure }, "clients should not come here"),
        },
      ),
      robots: await Robots.load(storage.robots),
      caches: new Caches(storage),
      sessions,
      slabs,
      overflow: new Overflow({
        memory: slabs.overflow,
        openFile: () => storage.uploads.openScratchFile(),
      }),
      workers,
      manifestReader,
      bodyMemory: new ByteBudget(bodyBytes, bodyBytes / 2),
      rules: {
        deleteEnabled: config.storage.delete.enabled,
        anonymousMount: config.storage.mount.anonymous,
        sparseManifests: config.validation.manifests.sparse,
        strictSizes: config.validation.manifests.sizes === "strict",
        tagPolicy,
        manifestBytesMax: config.limits.manifestbytes,
        pageEntriesMax: config.limits.pageentries,
      },
      repositoryLocks: new KeyedLock(),
      targetLocks: new KeyedLock(),
      maintenanceLocks: new KeyedLock(),
      onOdd,
      onBackgroundError,
    };
    closers.add("open blobs", () => services.caches.openBlobs.clear());
    if (!storage.readOnly) {
      closers.add("upload sessions", () => saveSessions(sessions, storage.notes));
      // Without them everything is protected for a while after the next start.
      closers.add("leases", () => saveLeases(protection, storage.notes));
      closers.add("tally", () => keptTally.save());
      closers.add("robots", () => services.robots.saveUses());
      closers.add("times of pulls", () => services.pulls.save(storage.tags));
    }
    closers.add("purging of uploads", () => sessions.stop());
    return { services, storage, keptTally, close: () => closers.close() };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

/** Things that are remembered as named, some 200 bytes each. */
const namedMax = 5_000;

/** `tell`, but not again of what it was told of before. */
function once(tell: (what: string, why: string) => void): (what: string, why: string) => void {
  const named = new LRUCache<string, true>({ max: namedMax });
  return (what, why) => {
    if (named.get(what) === true) return;
    named.set(what, true);
    tell(what, why);
  };
}
