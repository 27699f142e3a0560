/** Opens the metrics, and loads their module, only if an address serves them. */
import type { Config } from "../config/config.js";
import type { Metrics, MetricsOptions } from "../observe/metrics.js";
import type { Services } from "../registry/services.js";
import type { Opening } from "./opening.js";

export async function openMetrics(
  { config }: Opening,
  services: Services,
  options: Omit<MetricsOptions, "repositoriesMax">,
): Promise<Metrics | undefined> {
  if (!isMeasured(config.http)) return undefined;
  const { Metrics } = await import("../observe/metrics.js");
  return new Metrics(services, { ...options, repositoriesMax: config.http.metrics.repositories });
}

function isMeasured({ debug, metrics }: Config["http"]): boolean {
  return metrics.enabled || (debug.addr !== undefined && debug.prometheus.enabled);
}
