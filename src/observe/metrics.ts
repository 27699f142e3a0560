/**
 * The metrics for Prometheus. Requests and other parts only increment plain numbers, which are read on each scrape. Labels
 * have repository names only if enabled, because there may be as many repositories as jobs.
 */
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { AggregatorRegistry, collectDefaultMetrics, Registry } from "prom-client";
import type { Exchange } from "../http/exchange.js";
import type { Page } from "../http/page-server.js";
import type { HitCounts } from "../lib/hit-counts.js";
import type { Endpoint } from "../notifications/endpoint.js";
import type { Services } from "../registry/services.js";
import { measureCaches } from "./metrics/caches.js";
import { type ClusterMeasures, measureCluster } from "./metrics/cluster.js";
import { type Connections, measureConnections } from "./metrics/connections.js";
import { measureEndpoints } from "./metrics/endpoints.js";
import { Instruments, type Labelled } from "./metrics/instruments.js";
import { RequestMetrics } from "./metrics/requests.js";
import { measureStorage } from "./metrics/storage.js";
import { measureUploads } from "./metrics/uploads.js";
import { type MeasuredUpstream, measureUpstreams } from "./metrics/upstreams.js";

export interface MetricsOptions {
  /** Number of repositories with their own series; 0 omits the label. */
  readonly repositoriesMax: number;
  /** Hit counts of the caches of credentials. */
  readonly loginLookups: Readonly<Record<string, HitCounts>>;
  /** Webhooks. */
  readonly endpoints: readonly Endpoint[];
  readonly connections: Connections;
  /** Counts connections that were closed for too many tiny chunks. */
  readonly chunks: { readonly refused: number };
  /** Absent if this node is alone. */
  readonly cluster?: ClusterMeasures | undefined;
  /** Registries that this one caches. */
  readonly upstreams: readonly MeasuredUpstream[];
  /** Dropped lines, by log. */
  readonly droppedLines: () => Labelled;
  /** Messages that this process has sent to others of this server. Absent if it is alone. */
  readonly messages?: (() => number) | undefined;
  /** Resolves with the values of the other processes of this server. Absent if it is alone. */
  readonly others?: (() => Promise<readonly MetricValues[]>) | undefined;
}

/** The values of the metrics of a process. */
export type MetricValues = readonly object[];

/** The pause after a rendering, as a multiple of its time. */
const pausePerRendering = 3;

/** The response to a scrape. */
export function metricsPage(body: Page["body"]): Page {
  return { status: 200, headers: [["Content-Type", Registry.PROMETHEUS_CONTENT_TYPE]], body };
}

export class Metrics {
  readonly #instruments = new Instruments();
  /** A rendering that has not begun. */
  #next: Promise<Page> | undefined;
  /** Resolves when the next rendering may begin. */
  #rendered: Promise<unknown> = Promise.resolve();
  #pauseMilliseconds = 0;
  readonly #others: MetricsOptions["others"];
  /** An observer of requests. */
  readonly observe: (exchange: Exchange) => void;

  constructor(services: Services, options: MetricsOptions) {
    const { loginLookups, endpoints, connections, chunks, cluster, upstreams } = options;
    const instruments = this.#instruments;
    collectDefaultMetrics({ register: instruments.registry });
    this.observe = new RequestMetrics(instruments, options.repositoriesMax).observe;
    measureUploads(instruments, services);
    measureStorage(instruments, services);
    measureEndpoints(instruments, endpoints);
    measureConnections(instruments, connections, chunks);
    if (cluster !== undefined) measureCluster(instruments, cluster);
    if (upstreams.length > 0) measureUpstreams(instruments, upstreams);
    instruments.counters(
      "gantry_log_lines_dropped_total",
      "Log lines that were dropped because they were not read or could not be written",
      "log",
      options.droppedLines,
    );
    const { caches, storage, health } = services;
    measureCaches(instruments, { ...caches.lookups, ...storage.measures.lookups, ...loginLookups });
    instruments.gauge(
      "gantry_ready",
      "Whether the server is ready, as reported by /readyz",
      () => Number(health.ready),
      "min",
    );
    this.#others = options.others;
    if (options.messages !== undefined)
      instruments.counter(
        "gantry_process_messages_total",
        "Messages between the processes of the server",
        options.messages,
      );
  }

  /** Resolves with the values, for the process that sums them up. */
  values(): Promise<MetricValues> {
    return this.#instruments.registry.getMetricsAsJSON();
  }

  /**
   * Renders the metrics in Prometheus' text format. Requests that arrive before the next rendering begins share its page.
   * Between two renderings there is a pause: a page with a series for each of many repositories takes long.
   */
  page(): Promise<Page> {
    if (this.#next === undefined) {
      this.#next = this.#rendered.then(() => {
        this.#next = undefined;
        return this.#render();
      });
      this.#rendered = this.#next.then(
        () => sleep(this.#pauseMilliseconds),
        () => {},
      );
    }
    return this.#next;
  }

  /** Returns the metrics of all processes. One that has just died is missing. */
  async #registry(): Promise<Registry> {
    const { registry } = this.#instruments;
    if (this.#others === undefined) return registry;
    const all = [await this.values(), ...(await this.#others())];
    return AggregatorRegistry.aggregate(all as unknown as object[]);
  }

  /** Lets other work run between the metrics. */
  async #render(): Promise<Page> {
    const registry = await this.#registry();
    const begun = performance.now();
    const texts: string[] = [];
    for (const { name } of registry.getMetricsAsArray()) {
      texts.push(await registry.getSingleMetricAsString(name));
      await setImmediate();
    }
    this.#pauseMilliseconds = pausePerRendering * (performance.now() - begun);
    return metricsPage(Buffer.from(`${texts.join("\n\n")}\n`));
  }
}
