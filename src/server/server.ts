/**
 * The composition root: a list of openers over one stack of closers. A failed start closes the parts that were opened; a stop
 * closes everything, even if a closer fails. Parts that only some settings need are imported on demand, because loading
 * modules dominates the start (docs/decisions/0029).
 */
import type { Config } from "../config/config.js";
import type { App } from "../http/app.js";
import { ChunkBudget } from "../http/chunk-watch.js";
import type { Listening } from "../http/listeners.js";
import { countSent } from "../http/mirrored.js";
import { logRuntime } from "../http/uws-build.js";
import { countRequests } from "../http/web/count-requests.js";
import { loadPages } from "../http/web/load-pages.js";
import { freePort } from "../http/why-not-listening.js";
import { Closers } from "../lib/closers.js";
import type { CountedLines } from "../lib/counted-lines.js";
import type { StandardStreams } from "../observe/standard-streams.js";
import type { Services } from "../registry/services.js";
import type { UpstreamCache } from "../upstream/cache.js";
import { openAccessLog } from "./access-log.js";
import { openApp } from "./app.js";
import { openAudit } from "./audit.js";
import { openCommands } from "./commands.js";
import { openDebug } from "./debug.js";
import { DrainClock } from "./drain-clock.js";
import { type OpenedFront, openFront } from "./front.js";
import { closingFailed, openLog } from "./log.js";
import { openLogin } from "./login.js";
import { openGarbageCollection, openHealthChecks, openUsesSaving } from "./maintenance.js";
import { openMetrics } from "./metrics.js";
import type { LogOpening, Opening } from "./opening.js";
import type { OpenedProcesses, Role } from "./processes/open.js";
import { openServices } from "./services.js";
import { openTraces } from "./traces.js";
import { openUpstreams } from "./upstreams.js";
import { hasPages, openWeb } from "./web.js";

export interface Server {
  /** `http://host:port` or `https://host:port`, with the actual port. */
  readonly url: string;
  /** The place of the data, for people. */
  readonly place: string;
  /** What the operator should know about the store. */
  readonly warnings: readonly string[];
  /** Whether authentication is enabled. */
  readonly protected: boolean;
  /** Whether it serves the web page. */
  readonly hasPages: boolean;
  readonly services: Services;
  /** Absent if this registry caches no others. */
  readonly upstreams: UpstreamCache | undefined;
  /** Stops accepting connections, drains requests, and closes everything. */
  stop(): Promise<void>;
}

/** Rejects if the directory cannot be used or the address is in use, after closing the parts that were opened. */
export async function startServer(
  config: Config,
  streams: StandardStreams,
  /** Called if another process has taken the store over: the server must be stopped. */
  onLost: () => void = () => {},
  role?: Role,
): Promise<Server> {
  const { log, lines } = await openLog(config.log, streams);
  const closers = new Closers((error, what) => log.error({ err: error, what }, closingFailed));
  closers.add("log", () => lines.close());
  try {
    if (role?.kind !== "member") logRuntime(log);
    return await openServer({ config, log, closers, streams }, lines, onLost, role);
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function openServer(
  alone: LogOpening,
  serverLines: CountedLines,
  onLost: () => void,
  role: Role | undefined,
): Promise<Server> {
  const { config, closers, log } = alone;
  let lockDescriptor: number | undefined;
  const processes =
    role && (await import("./processes/open.js")).openProcesses(alone, role, () => lockDescriptor);
  const group = processes?.group;
  const isFirst = group?.isFirst !== false;
  const opening: LogOpening = { ...alone, group };
  const { http } = config;
  const drain = new DrainClock(http.draintimeout);
  const pagesLoaded = beginLoadingPages(config);
  const { services, opened, cluster } = await openServices(opening, {
    serving: true,
    create: true,
    onStoreLost: (why) => {
      log.fatal(`${why}; this server stops`);
      onLost();
    },
  });
  lockDescriptor = opened.lockDescriptor;
  closers.add("other processes", () => processes?.ended());
  const { gate, login, lookups } = await openLogin(opening, services);
  const front = await openFront(opening, () => listening.port);
  const audit = await openAudit(opening, login !== undefined);
  const access = await openAccessLog(opening);
  const notifications = await openWebhooks(opening, drain);
  const chunks = new ChunkBudget();
  const upstreams = await openUpstreams(opening, services);
  const metrics = await openMetrics(opening, services, {
    loginLookups: lookups,
    endpoints: notifications?.endpoints ?? [],
    connections: front.tls?.connections ?? front.counts,
    chunks,
    cluster,
    upstreams: upstreams?.names.upstreams ?? [],
    droppedLines: () => dropped({ server: serverLines, access: access?.lines, audit: audit?.lines }),
  });
  if (isFirst) await openDebug(opening, services.health, metrics);
  const beginTrace = await openTraces(opening);
  const hasOtherNodes = cluster !== undefined || group !== undefined;
  const web = await openWeb(opening, { services, login, upstreams, hasOtherNodes });
  const observers = [
    ...[audit?.observer, access?.observer, metrics?.observe, upstreams && countSent],
    web && countRequests(web.reports.requests),
  ];
  const app = openApp(opening, {
    services,
    gate,
    login,
    upstreams,
    web,
    front,
    metrics: http.metrics.enabled ? metrics && (() => metrics.page()) : undefined,
    observers: observers.filter((observer) => observer !== undefined),
    auditGate: audit?.gate,
    onEvent: notifications?.listener,
    beginTrace,
    chunks,
  });
  openUsesSaving(opening, services);
  if (isFirst) {
    openGarbageCollection(opening, services);
    await openCommands(opening, services, upstreams);
  }
  openDraining(opening, app);
  // Their requests never end by themselves.
  if (web !== undefined) closers.add("live updates", () => web.live.close());
  openHealthChecks(opening, services);
  await pagesLoaded;
  group?.limits.begin();
  const listening = await openListening(opening, app, front, processes);
  closers.add("listening", () => {
    drain.start();
    processes?.beginStop();
    services.health.stop();
    listening.close();
  });
  // Without a store for secrets, each process would sign tokens with a key of its own.
  if (!services.storage.readOnly) await processes?.listening(listening.port);
  return {
    url: `${front.tls ? "https" : "http"}://${urlHost(http.addr.host)}:${listening.port}`,
    place: opened.place,
    warnings: opened.warnings,
    protected: login !== undefined,
    hasPages: web !== undefined,
    services,
    upstreams,
    stop: () => closers.close(),
  };
}

/** Uses the time in which the start waits for the disk and for threads: the first visitor must not wait for modules. */
function beginLoadingPages(config: Config): Promise<void> | undefined {
  if (!hasPages(config)) return undefined;
  const loaded = loadPages();
  // Awaited later, by a start that has not failed before.
  loaded.catch(() => {});
  return loaded;
}

/** The module is loaded only if there is an endpoint. */
async function openWebhooks(opening: Opening, drain: DrainClock) {
  if (opening.config.notifications.endpoints.length === 0) return undefined;
  return (await import("./notifications.js")).openNotifications(opening, drain);
}

function openDraining({ config, log, closers }: Opening, app: App): void {
  closers.add("running requests", async () => {
    const drained = await app.drain(config.http.draintimeout);
    if (!drained) log.warn("some requests did not finish within http.draintimeout");
  });
}

function openListening(
  { config }: Opening,
  app: App,
  { tls }: OpenedFront,
  processes: OpenedProcesses | undefined,
): Promise<Listening> {
  const { host = "", port } = config.http.addr;
  const address = host || "::";
  const listening =
    processes === undefined
      ? (tls?.listen(app, address, port, false) ?? app.listen(address, port))
      : listenShared(app, tls, address, processes.port, port);
  return listening.catch((cause: unknown) => {
    throw new Error("the server cannot listen on http.addr", { cause });
  });
}

/** The first process makes sure that no other server listens there. */
async function listenShared(
  app: App,
  tls: OpenedFront["tls"],
  address: string,
  taken: number | undefined,
  wanted: number,
): Promise<Listening> {
  const port = taken ?? (await freePort(address, wanted));
  return tls?.listen(app, address, port, true) ?? app.listen(address, port, true);
}

/** Returns how many lines each log has dropped. */
function dropped(logs: Readonly<Record<string, CountedLines | undefined>>): [string, number][] {
  return Object.entries(logs).flatMap(([name, lines]) =>
    lines === undefined ? [] : [[name, lines.dropped]],
  );
}

function urlHost(host: string): string {
  if (host === "") return "0.0.0.0";
  return host.includes(":") ? `[${host}]` : host;
}
