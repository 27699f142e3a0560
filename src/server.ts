/**
 * The composition root: everything is wired here, and nowhere else. What only some settings want is imported where
 * they do: a start is mostly the loading of modules (docs/decisions/0029).
 */
import type { Logger } from "pino";
import { runCommand } from "./commands/commands.js";
import { collectOnce } from "./commands/gc.js";
import type { Config } from "./config/config.js";
import { listenForCommands } from "./control/server.js";
import { App } from "./http/app.js";
import { ConnectionGuard } from "./http/connection-guard.js";
import { TrustedProxies } from "./http/forwarded.js";
import { openLog } from "./log.js";
import { openAccessLog } from "./open-access-log.js";
import { openAudit } from "./open-audit.js";
import { openConnectionCounts, openConnectionLimits, refusedConnectionsLog } from "./open-connections.js";
import { openDebug } from "./open-debug.js";
import { openLogin } from "./open-login.js";
import { type OpenedServices, openServices } from "./open-services.js";
import { openTraces } from "./open-traces.js";
import type { OpenedLogin } from "./open-verifiers.js";
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

/** The longest that a timer can wait. */
const timerMillisecondsMax = 2 ** 31 - 1;

const usesSavedEverySeconds = 60;

/** Each look syncs a file. */
const healthEverySecondsMin = 0.01;

/** Rejects where the folder cannot be used or the address is taken. */
export async function startServer(config: Config): Promise<Server> {
  const log = await openLog(config.log);
  const opened = await openServices(config, { serving: true, create: true, log });
  let login: OpenedLogin | undefined;
  try {
    login = await openLogin(config, opened.services, log);
    return await serve(config, opened, login, log);
  } catch (error) {
    await login?.close();
    await opened.close();
    throw error;
  }
}

async function serve(
  config: Config,
  opened: OpenedServices,
  { gate, login, lookups, close: closeLogin }: OpenedLogin,
  log: Logger,
): Promise<Server> {
  const { services, storage } = opened;
  const { http } = config;
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
  const counts = openConnectionCounts(connectionLimits, () => listening.port);
  const { requests, uploads, forms, slow } = config.limits;
  const audit = openAudit(config.audit, login !== undefined, log);
  const access = await openAccessLog(config.log, log);
  const notifications =
    config.notifications.endpoints.length === 0
      ? undefined
      : (await import("./open-notifications.js")).openNotifications(config, log);
  const metrics = isMeasured(http)
    ? new (await import("./observe/metrics.js")).Metrics(services, {
        repositoriesMax: http.metrics.repositories,
        loginLookups: lookups,
        endpoints: notifications?.endpoints ?? [],
        connections: tls?.connections ?? counts,
      })
    : undefined;
  const debug = await openDebug(http.debug, services.health, metrics, log);
  const traces = await openTraces(config.tracing, log);
  const app = new App({
    services,
    ...(tls && { peerOf: tls.peerOf }),
    gate,
    login,
    metrics: http.metrics.enabled ? metrics && (() => metrics.page()) : undefined,
    headers: Object.entries(config.http.headers).flatMap(([name, values]) =>
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
    publicOrigin: http.host,
    absoluteLocations: !http.relativeurls,
    observers: [audit.observer, access?.observer, metrics?.observe].filter(
      (observer) => observer !== undefined,
    ),
    onOccurrence: notifications?.listener,
    beginTrace: traces?.begin,
    onUnexpectedError: (error, exchange) => {
      const { id, method, path, trace } = exchange ?? {};
      log.error({ err: error, id, method, path, trace_id: trace?.id }, "request failed");
    },
  });
  const { port } = config.http.addr;
  const host = config.http.addr.host || "::";
  const listening = await (tls?.listen(app, host, port) ?? app.listen(host, port)).catch((cause: unknown) => {
    throw new Error("the server cannot listen on http.addr", { cause });
  });
  const control = await listenForCommands(storage.layout.controlSocket, {
    run: (name, options, task) => runCommand(name, options, { services, config, ...task }),
    onError: services.onBackgroundError,
  }).catch((error: unknown) => {
    log.warn({ err: error }, "no commands can be given to this server while it runs");
    return undefined;
  });
  const collecting = everySeconds(
    storage.readOnly ? 0 : config.gc.interval,
    async (signal) => {
      const options = { untaggedSeconds: config.gc.untagged, dryRun: false, signal };
      const { retention, garbage } = await collectOnce(services, options);
      if (retention.tags > 0) log.info(retention, "tags removed");
      if (garbage.repositories.length > 0 || garbage.orphans > 0) log.info(garbage, "garbage collected");
    },
    services.onBackgroundError,
  );
  const { enabled, interval } = config.health.storagedriver;
  if (enabled) void services.health.look();
  const watchingHealth = everySeconds(
    enabled ? Math.max(interval, healthEverySecondsMin) : 0,
    () => services.health.look(),
    services.onBackgroundError,
  );
  const savingUses = everySeconds(
    storage.readOnly ? 0 : usesSavedEverySeconds,
    async () => {
      await services.pulls.save(storage.tags);
      await services.robots.saveUses();
      await opened.keptTally.save();
    },
    services.onBackgroundError,
  );
  return {
    url: `${tls ? "https" : "http"}://${urlHost(config.http.addr.host)}:${listening.port}`,
    rootDirectory: storage.layout.root,
    hardLinks: storage.hardLinks,
    locked: storage.locked || storage.readOnly,
    readOnly: storage.readOnly,
    protected: login !== undefined,
    services,
    stop: async () => {
      services.health.stop();
      listening.close();
      await watchingHealth.stop();
      const stoppedAt = performance.now();
      const drained = await app.drain(config.http.draintimeout);
      if (!drained) log.warn("some requests did not come to their end in time");
      await control?.close();
      await collecting.stop();
      await savingUses.stop();
      app.close();
      await notifications?.close(config.http.draintimeout - (performance.now() - stoppedAt) / 1000);
      await tls?.close();
      await closeLogin();
      audit.close();
      await access?.close();
      debug?.close();
      await traces?.close();
      await opened.close();
    },
  };
}

/** Whether anybody is told the metrics. */
function isMeasured({ debug, metrics }: Config["http"]): boolean {
  return metrics.enabled || (debug.addr !== undefined && debug.prometheus.enabled);
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
