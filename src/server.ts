/**
 * The composition root: everything is wired here, and nowhere else. What only some settings want is imported where
 * they do: a start is mostly the loading of modules (docs/decisions/0029).
 */
import { runCommand } from "./commands/commands.js";
import { collectOnce } from "./commands/gc.js";
import type { Config } from "./config/config.js";
import { listenForCommands } from "./control/server.js";
import { isNothing } from "./gc/report.js";
import { App } from "./http/app.js";
import { ChunkBudget } from "./http/chunk-watch.js";
import { ConnectionGuard } from "./http/connection-guard.js";
import { TrustedProxies } from "./http/forwarded.js";
import { logRuntime } from "./http/uws-build.js";
import { Closers } from "./lib/closers.js";
import { everySeconds } from "./lib/every-seconds.js";
import { type OpenedLog, openLog } from "./log.js";
import { openAccessLog } from "./open-access-log.js";
import { openAudit } from "./open-audit.js";
import { openConnectionCounts, openConnectionLimits, refusedConnectionsLog } from "./open-connections.js";
import { openDebug } from "./open-debug.js";
import { openLogin } from "./open-login.js";
import { type OpenedServices, openServices } from "./open-services.js";
import { openTraces } from "./open-traces.js";
import { originWarnings } from "./origin-warnings.js";
import type { Services } from "./registry/services.js";

export interface Server {
  /** `http://host:port` or `https://host:port`, with the port that was really taken. */
  readonly url: string;
  readonly rootDirectory: string;
  readonly hardLinks: boolean;
  /** Whether other servers are kept out of the store. */
  readonly locked: boolean;
  /** Whether nothing can be pushed, since the file system is read-only. */
  readonly readOnly: boolean;
  /** Whether callers have to prove who they are. */
  readonly protected: boolean;
  readonly services: Services;
  /** Stops accepting, ends what runs, and lets go of everything. */
  stop(): Promise<void>;
}

const usesSavedEverySeconds = 60;

/** Each look syncs a file. */
const healthEverySecondsMin = 0.01;

/** Rejects where the folder cannot be used or the address is taken; what was opened until then is closed. */
export async function startServer(config: Config): Promise<Server> {
  const opened = await openLog(config.log);
  const closers = new Closers((error, what) =>
    opened.log.error({ err: error, what }, "something could not be closed; the rest was"),
  );
  closers.add("log", () => opened.lines.close());
  try {
    logRuntime(opened.log);
    return await openServer(config, opened, closers);
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function openServer(
  config: Config,
  { log, lines: logLines }: OpenedLog,
  closers: Closers,
): Promise<Server> {
  const { http } = config;
  const opened = await openServices(config, { serving: true, create: true, log });
  closers.add("store", opened.close);
  const { services, storage } = opened;
  const { gate, login, lookups, close: closeLogin } = await openLogin(config, services, log);
  closers.add("login", closeLogin);
  const { trustedproxies } = http;
  const proxies = trustedproxies.length === 0 ? undefined : new TrustedProxies(trustedproxies);
  const connectionLimits = await openConnectionLimits(config, log);
  const onRefused = refusedConnectionsLog(connectionLimits, log);
  const tls =
    http.tls &&
    (await (
      await import("./open-tls.js")
    ).openTls(http.tls, log, {
      limits: connectionLimits,
      proxies: trustedproxies,
      onRefused,
    }));
  closers.add("TLS", () => tls?.close());
  const counts = openConnectionCounts(connectionLimits, () => listening.port);
  const audit = openAudit(config.audit, login !== undefined, log);
  closers.add("audit log", () => audit?.close());
  const access = await openAccessLog(config.log, log);
  closers.add("access log", () => access?.close());
  const droppedLines = () =>
    Object.entries({ server: logLines, access: access?.lines, audit: audit?.lines }).flatMap(
      ([name, lines]) => (lines === undefined ? [] : [[name, lines.dropped] as const]),
    );
  const notifications =
    config.notifications.endpoints.length === 0
      ? undefined
      : (await import("./open-notifications.js")).openNotifications(config, log);
  const chunks = new ChunkBudget();
  const metrics = isMeasured(http)
    ? new (await import("./observe/metrics.js")).Metrics(services, {
        repositoriesMax: http.metrics.repositories,
        loginLookups: lookups,
        endpoints: notifications?.endpoints ?? [],
        connections: tls?.connections ?? counts,
        chunks,
        droppedLines,
      })
    : undefined;
  const debug = await openDebug(http.debug, services.health, metrics, log);
  closers.add("debugging address", () => debug?.close());
  const traces = await openTraces(config.tracing, log);
  closers.add("traces", () => traces?.close());
  let stoppedAt = 0;
  closers.add("notifications", () =>
    notifications?.close(http.draintimeout - (performance.now() - stoppedAt) / 1000),
  );
  const { requests, uploads, forms, slow } = config.limits;
  const app = new App({
    services,
    ...(tls && { peerOf: tls.peerOf }),
    gate,
    login,
    metrics: http.metrics.enabled ? metrics && (() => metrics.page()) : undefined,
    headers: Object.entries(http.headers).flatMap(([name, values]) =>
      values.map((value) => [name, value] as const),
    ),
    patience: {
      senderSeconds: slow.sender ?? Number.POSITIVE_INFINITY,
      smallBodySeconds: slow.small,
      readerSeconds: slow.reader,
    },
    limits: {
      requestsPerSecond: requests.rate,
      requestBurst: requests.burst,
      uploadsMax: uploads.total,
      uploadsPerClientMax: uploads.perclient,
      formsMax: forms.total,
      formsPerClientMax: forms.perclient,
    },
    connections:
      tls === undefined
        ? new ConnectionGuard({
            counts,
            proxies: proxies?.ranges,
            onRefused: (client, refusal) => onRefused(refusal, client),
          })
        : undefined,
    proxies,
    keepAlive: http.keepalive,
    publicOrigin: http.host,
    onOrigin: originWarnings(log),
    absoluteLocations: !http.relativeurls,
    observers: [audit?.observer, access?.observer, metrics?.observe].filter(
      (observer) => observer !== undefined,
    ),
    auditGate: audit?.gate,
    onOccurrence: notifications?.listener,
    beginTrace: traces?.begin,
    chunks,
    headerBytesMax: config.limits.headerbytes,
    onUnexpectedError: (error, exchange) => {
      const { id, method, path, trace } = exchange ?? {};
      log.error({ err: error, id, method, path, trace_id: trace?.id }, "request failed");
    },
  });
  closers.add("connections", () => app.close());
  if (!storage.readOnly) saveUses(opened, closers);
  const collecting = everySeconds(
    storage.readOnly ? 0 : config.gc.interval,
    async (signal) => {
      const options = { untaggedSeconds: config.gc.untagged, dryRun: false, signal };
      const { retention, garbage } = await collectOnce(services, options);
      if (retention.unread.length > 0) log.warn(retention, "tags removed, but for some that could not be");
      else if (retention.tags > 0) log.info(retention, "tags removed");
      if (!isNothing(garbage)) log.info(garbage, "garbage collected");
    },
    services.onBackgroundError,
  );
  closers.add("garbage collection", collecting.stop);
  const control = await listenForCommands(storage.layout.controlSocket, {
    run: (name, options, task) => runCommand(name, options, { services, config, ...task }),
    onError: services.onBackgroundError,
  }).catch((error: unknown) => {
    log.warn({ err: error }, "no commands can be given to this server while it runs");
    return undefined;
  });
  closers.add("commands", () => control?.close());
  closers.add("running requests", async () => {
    const drained = await app.drain(http.draintimeout);
    if (!drained) log.warn("some requests did not come to their end in time");
  });
  const { enabled, interval } = config.health.storagedriver;
  if (enabled) void services.health.look();
  const watchingHealth = everySeconds(
    enabled ? Math.max(interval, healthEverySecondsMin) : 0,
    () => services.health.look(),
    services.onBackgroundError,
  );
  closers.add("health checks", watchingHealth.stop);
  const host = http.addr.host || "::";
  const listening = await (tls?.listen(app, host, http.addr.port) ?? app.listen(host, http.addr.port)).catch(
    (cause: unknown) => {
      throw new Error("the server cannot listen on http.addr", { cause });
    },
  );
  closers.add("listening", () => {
    stoppedAt = performance.now();
    services.health.stop();
    listening.close();
  });
  return {
    url: `${tls ? "https" : "http"}://${urlHost(http.addr.host)}:${listening.port}`,
    rootDirectory: storage.layout.root,
    hardLinks: storage.hardLinks,
    locked: storage.locked || storage.readOnly,
    readOnly: storage.readOnly,
    protected: login !== undefined,
    services,
    stop: () => closers.close(),
  };
}

/** Saves now and then when things were used. Each on its own: one that fails must not keep the others from it. */
function saveUses({ services, storage, keptTally }: OpenedServices, closers: Closers): void {
  const savers = [
    () => services.pulls.save(storage.tags),
    () => services.robots.saveUses(),
    () => keptTally.save(),
  ];
  for (const save of savers)
    closers.add("saving", everySeconds(usesSavedEverySeconds, save, services.onBackgroundError).stop);
}

/** Whether anybody is told the metrics. */
function isMeasured({ debug, metrics }: Config["http"]): boolean {
  return metrics.enabled || (debug.addr !== undefined && debug.prometheus.enabled);
}

function urlHost(host: string): string {
  if (host === "") return "0.0.0.0";
  return host.includes(":") ? `[${host}]` : host;
}
