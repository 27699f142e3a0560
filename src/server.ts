/** The composition root: everything is wired here, and nowhere else. */
import { pino } from "pino";
import { openGate } from "./auth/gate.js";
import { Caches } from "./cache/caches.js";
import type { Config } from "./config/config.js";
import { noTagPolicy, readTagPolicy } from "./config/tag-policy.js";
import { KeyedLock } from "./domain/keyed-lock.js";
import { Protection } from "./gc/protection.js";
import { Pulls } from "./gc/pulls.js";
import { restoreLeases, saveLeases } from "./gc/saved.js";
import { App } from "./http/app.js";
import { applyRetention } from "./registry/apply-retention.js";
import { collectGarbage } from "./registry/collect-garbage.js";
import type { Services } from "./registry/services.js";
import { openFilesystemStorage } from "./storage/filesystem/open.js";
import { SessionTable } from "./uploads/session-table.js";
import { defaultSlabs, SlabPool } from "./uploads/slab-pool.js";
import { WorkerPool } from "./uploads/worker-pool.js";

export interface Server {
  /** `http://host:port`, with the port that was really taken. */
  readonly url: string;
  readonly rootDirectory: string;
  readonly hardLinks: boolean;
  readonly services: Services;
  /** Stops accepting, ends what runs, and lets go of everything. */
  stop(): Promise<void>;
}

/** The longest that a timer can wait. */
const timerMillisecondsMax = 2 ** 31 - 1;

const pullsSavedEverySeconds = 60;

const mebibyte = 1024 * 1024;

/** Rejects where the folder cannot be used or the address is taken. */
export async function startServer(config: Config): Promise<Server> {
  const log = pino({ level: "info" }, pino.destination({ dest: 2, sync: true }));
  const { filesystem } = config.storage;
  const tagPolicy = config.tags.policy === undefined ? noTagPolicy : await readTagPolicy(config.tags.policy);
  const slabs = new SlabPool({
    slabBytes: defaultSlabs.slabBytes,
    slabs: Math.floor((config.uploads.memorymib * mebibyte) / defaultSlabs.slabBytes),
  });
  const workers = new WorkerPool(slabs, {
    threads: config.uploads.workers,
    durable: filesystem.durability === "full",
    taskSecondsMax: config.uploads.tasktimeout,
    onError: (error) => log.error({ err: error }, "a worker ended"),
  });
  try {
    const storage = await openFilesystemStorage({
      rootDirectory: filesystem.rootdirectory,
      durability: filesystem.durability,
      digestFile: (file, expected) => workers.digestFile(file, expected),
    });
    const onBackgroundError = (error: unknown) => log.error({ err: error }, "clean-up failed");
    const { uploadpurging } = config.storage.maintenance;
    const sessions = new SessionTable(storage.uploads, workers, {
      onError: onBackgroundError,
      idleSecondsMax: uploadpurging.age,
      purgeEverySeconds: uploadpurging.interval,
    });
    const protection = new Protection({ leaseSeconds: config.gc.lease });
    await restoreLeases(protection, storage.notes, storage.fresh);
    const services: Services = {
      storage,
      protection,
      pulls: new Pulls(),
      caches: new Caches(storage),
      sessions,
      slabs,
      workers,
      rules: {
        deleteEnabled: config.storage.delete.enabled,
        anonymousMount: config.storage.mount.anonymous,
        sparseManifests: config.validation.manifests.sparse,
        tagPolicy,
      },
      repositoryLocks: new KeyedLock(),
      onBackgroundError,
    };
    const app = new App({
      services,
      gate: openGate,
      onUnexpectedError: (error, method, path) => log.error({ err: error, method, path }, "request failed"),
    });
    const collecting = everySeconds(
      config.gc.interval,
      async (signal) => {
        const untaggedSeconds = config.gc.untagged;
        const retained = await applyRetention(services, { dryRun: false, signal });
        if (retained.tags > 0) log.info(retained, "tags removed");
        const report = await collectGarbage(services, { dryRun: false, untaggedSeconds, signal });
        if (report.repositories.length > 0 || report.orphans > 0) log.info(report, "garbage collected");
      },
      onBackgroundError,
    );
    const savingPulls = everySeconds(
      pullsSavedEverySeconds,
      () => services.pulls.save(storage.tags),
      onBackgroundError,
    );
    const { host, port } = config.http.addr;
    const listening = await app.listen(host === "" ? "::" : host, port);
    return {
      url: `http://${urlHost(host)}:${listening.port}`,
      rootDirectory: storage.layout.root,
      hardLinks: storage.hardLinks,
      services,
      stop: async () => {
        listening.close();
        const drained = await app.drain(config.http.draintimeout);
        if (!drained) log.warn("some requests did not come to their end in time");
        sessions.stop();
        await collecting.stop();
        await savingPulls.stop();
        await services.pulls.save(storage.tags).catch(onBackgroundError);
        await sessions.save();
        // Without them everything is protected for a while after the next start.
        await saveLeases(protection, storage.notes).catch(onBackgroundError);
        app.close();
        services.caches.openBlobs.clear();
        await workers.close();
        await storage.close();
      },
    };
  } catch (error) {
    await workers.close();
    throw error;
  }
}

/** Runs `work` every so many seconds, never twice at a time; not at all where it is 0. */
function everySeconds(
  seconds: number,
  work: (signal: AbortSignal) => Promise<void>,
  onError: (error: unknown) => void,
): { stop(): Promise<void> } {
  let running: Promise<void> | undefined;
  const stopping = new AbortController();
  const timer = setInterval(
    () => {
      running ??= work(stopping.signal)
        .catch(onError)
        .finally(() => {
          running = undefined;
        });
    },
    Math.min(seconds * 1000, timerMillisecondsMax),
  ).unref();
  if (seconds === 0) clearInterval(timer);
  return {
    stop: async () => {
      clearInterval(timer);
      stopping.abort();
      await running;
    },
  };
}

function urlHost(host: string): string {
  if (host === "") return "0.0.0.0";
  return host.includes(":") ? `[${host}]` : host;
}
