/**
 * Opens the metrics, and loads their module, only if an address serves them. Of several processes, the first one sums up the
 * values of all.
 */
import { z } from "zod";
import type { Config } from "../config/config.js";
import type { Exchange } from "../http/exchange.js";
import type { Page } from "../http/page-server.js";
import type { MetricsOptions, MetricValues } from "../observe/metrics.js";
import type { Services } from "../registry/services.js";
import type { Opening } from "./opening.js";
import type { ProcessGroup } from "./processes/group.js";

export interface OpenedMetrics {
  /** An observer of requests. */
  readonly observe: (exchange: Exchange) => void;
  /** Renders the metrics of all processes. */
  page(): Promise<Page>;
}

export async function openMetrics(
  { config, group }: Opening,
  services: Services,
  options: Omit<MetricsOptions, "repositoriesMax" | "others" | "messages">,
): Promise<OpenedMetrics | undefined> {
  if (!isMeasured(config.http)) return undefined;
  const { Metrics, metricsPage } = await import("../observe/metrics.js");
  const metrics = new Metrics(services, {
    ...options,
    repositoriesMax: config.http.metrics.repositories,
    messages: group?.sent,
    others: group?.isFirst === true ? () => othersOf(group) : undefined,
  });
  const { observe } = metrics;
  if (group === undefined) return { observe, page: () => metrics.page() };
  if (group.isFirst) {
    group.calls.answer(pageCall, async () => {
      const { body } = await metrics.page();
      return body.toString();
    });
    return { observe, page: () => metrics.page() };
  }
  group.calls.answer(valuesCall, () => metrics.values());
  return {
    observe,
    page: async () => metricsPage(z.string().parse(await group.askFirst(pageCall, null))),
  };
}

const valuesCall = "metrics";
const pageCall = "metrics page";

/** Each metric is checked by the one that is of the same process. */
const values = z.array(z.array(z.looseObject({ name: z.string(), values: z.array(z.unknown()) })));

async function othersOf({ calls }: ProcessGroup): Promise<MetricValues[]> {
  return values.parse(await calls.ask(valuesCall, null));
}

function isMeasured({ debug, metrics }: Config["http"]): boolean {
  return metrics.enabled || (debug.addr !== undefined && debug.prometheus.enabled);
}
