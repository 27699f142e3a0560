/**
 * Opens the debug address, like CNCF distribution's debug server: health and, if enabled, metrics. Part of the composition
 * root.
 */
import { liveness, readiness } from "../http/health.js";
import { type Pages, servePages } from "../http/page-server.js";
import type { Health } from "../registry/health.js";
import type { OpenedMetrics } from "./metrics.js";
import type { Opening } from "./opening.js";

/** Rejects if the address is taken. */
export async function openDebug(
  { config, log, closers }: Opening,
  health: Health,
  metrics: OpenedMetrics | undefined,
): Promise<void> {
  const { addr, prometheus } = config.http.debug;
  if (addr === undefined) return;
  const ready = () => readiness(health);
  const pages: Pages = {
    "/livez": liveness,
    "/readyz": ready,
    // The path that CNCF distribution uses.
    "/debug/health": ready,
    ...(metrics && prometheus.enabled && { [prometheus.path]: () => metrics.page() }),
  };
  const onError = (error: unknown) => log.error({ err: error }, "the metrics cannot be rendered");
  const server = await servePages(pages, addr, onError).catch((cause: unknown) => {
    throw new Error("the server cannot listen on http.debug.addr", { cause });
  });
  closers.add("debugging address", () => server.close());
}
