/**
 * What Prometheus is told. Requests add to plain numbers; all else is looked up when somebody asks. No label has a
 * repository's name: there may be as many as there are jobs.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Exchange } from "../http/exchange.js";
import type { Page } from "../http/page-server.js";
import type { Endpoint } from "../notifications/endpoint.js";
import type { Services } from "../registry/services.js";
import { measureEndpoints } from "./endpoint-metrics.js";
import { methods } from "./methods.js";
import { RequestTimes } from "./request-times.js";

export class Metrics {
  readonly #registry = new Registry();
  readonly #times = new RequestTimes(this.#registry);
  #received = 0;
  #sent = 0;

  constructor({ storage, sessions, slabs, workers, health }: Services, endpoints: readonly Endpoint[]) {
    collectDefaultMetrics({ register: this.#registry });
    measureEndpoints(this.#registry, endpoints);
    this.#counter("gantry_http_received_bytes_total", "Bytes of requests' bodies", () => this.#received);
    this.#counter("gantry_http_sent_bytes_total", "Bytes of answers' bodies", () => this.#sent);
    this.#gauge("gantry_upload_sessions", "Upload sessions that are open", () => sessions.size);
    this.#gauge("gantry_upload_slabs_used", "Slabs of memory that uploads have", () => slabs.lent);
    this.#gauge("gantry_upload_slabs_waiting", "Uploads that wait for a slab", () => slabs.waiting);
    this.#gauge(
      "gantry_worker_tasks",
      "Tasks that the workers have, waiting and at work",
      () => workers.tasks,
    );
    this.#gauge("gantry_ready", "Whether clients should come here, as /readyz tells", () =>
      Number(health.ready),
    );
    this.#gauge(
      "gantry_storage_free_bytes",
      "Bytes that are left to the storage; -1 where nobody knows",
      async () =>
        storage.volume.space().then(
          (space) => space?.freeBytes ?? -1,
          () => -1,
        ),
    );
    this.#gauge(
      "gantry_storage_size_bytes",
      "Bytes that the storage's volume has; -1 where nobody knows",
      async () =>
        storage.volume.space().then(
          (space) => space?.totalBytes ?? -1,
          () => -1,
        ),
    );
  }

  /** An observer of requests. */
  readonly observe = ({ incoming, status, startedAt, body, sent }: Exchange): void => {
    const route = incoming.route?.path ?? "unknown";
    const method = methods.has(incoming.method) ? incoming.method : "other";
    this.#times.add(route, method, status, (performance.now() - startedAt) / 1000);
    this.#received += body?.received ?? 0;
    this.#sent += sent;
  };

  /** In Prometheus' text format. */
  async page(): Promise<Page> {
    const { contentType } = this.#registry;
    return { status: 200, headers: [["Content-Type", contentType]], body: await this.#registry.metrics() };
  }

  #counter(name: string, help: string, value: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  }

  #gauge(name: string, help: string, value: () => number | Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        this.set(await value());
      },
    });
  }
}
