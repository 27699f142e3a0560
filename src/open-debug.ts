/**
 * Opens the address for whoever runs this server, as CNCF distribution's debugging server is: health, and metrics
 * where they are wanted. Part of the composition root.
 */
import type { Logger } from "pino";
import type { Config } from "./config/config.js";
import type { Observer } from "./http/app.js";
import { liveness, readiness } from "./http/health.js";
import { type Pages, servePages } from "./http/page-server.js";
import { Metrics } from "./observe/metrics.js";
import type { Services } from "./registry/services.js";

export interface OpenedDebug {
  /** Absent where nothing is measured. */
  readonly observer: Observer | undefined;
  close(): void;
}

/** `undefined` where there is no such address. Rejects where it is taken. */
export async function openDebug(
  { addr, prometheus }: Config["http"]["debug"],
  services: Services,
  log: Logger,
): Promise<OpenedDebug | undefined> {
  if (addr === undefined) return undefined;
  const metrics = prometheus.enabled ? new Metrics(services) : undefined;
  const ready = () => readiness(services.health);
  const pages: Pages = {
    "/livez": liveness,
    "/readyz": ready,
    // CNCF distribution's.
    "/debug/health": ready,
    ...(metrics && { [prometheus.path]: () => metrics.page() }),
  };
  const server = await servePages(pages, addr, (error) =>
    log.error({ err: error }, "the metrics cannot be told"),
  );
  return { observer: metrics?.observe, close: server.close };
}
