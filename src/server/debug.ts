/**
 * Opens the address for whoever runs this server, as CNCF distribution's debugging server is: health, and metrics
 * where they are wanted. Part of the composition root.
 */
import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import { liveness, readiness } from "../http/health.js";
import { type PageServer, type Pages, servePages } from "../http/page-server.js";
import type { Metrics } from "../observe/metrics.js";
import type { Health } from "../registry/health.js";

/** `undefined` where there is no such address. Rejects where it is taken. */
export async function openDebug(
  { addr, prometheus }: Config["http"]["debug"],
  health: Health,
  metrics: Metrics | undefined,
  log: Logger,
): Promise<PageServer | undefined> {
  if (addr === undefined) return undefined;
  const ready = () => readiness(health);
  const pages: Pages = {
    "/livez": liveness,
    "/readyz": ready,
    // CNCF distribution's.
    "/debug/health": ready,
    ...(metrics && prometheus.enabled && { [prometheus.path]: () => metrics.page() }),
  };
  return servePages(pages, addr, (error) => log.error({ err: error }, "the metrics cannot be told")).catch(
    (cause: unknown) => {
      throw new Error("the server cannot listen on http.debug.addr", { cause });
    },
  );
}
