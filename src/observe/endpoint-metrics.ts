/** What Prometheus is told of webhooks, by endpoint. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { Endpoint } from "../notifications/endpoint.js";

const labelNames = ["endpoint"] as const;

const counters: readonly (readonly [name: string, help: string, value: (endpoint: Endpoint) => number])[] = [
  ["events_total", "Events that the endpoint wanted", ({ counts }) => counts.events],
  ["delivered_total", "Events that it has taken", ({ counts }) => counts.delivered],
  ["dropped_total", "Events that found no room in its queue", ({ counts }) => counts.dropped],
  ["failures_total", "Tries at which it took nothing", ({ counts }) => counts.failures],
];

export function measureEndpoints(registry: Registry, endpoints: readonly Endpoint[]): void {
  const registers = [registry];
  for (const [name, help, value] of counters) {
    new Counter({
      name: `gantry_notifications_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const endpoint of endpoints) this.inc({ endpoint: endpoint.options.name }, value(endpoint));
      },
    });
  }
  new Gauge({
    name: "gantry_notifications_pending",
    help: "Events that wait for the endpoint",
    labelNames,
    registers,
    collect() {
      for (const endpoint of endpoints) this.set({ endpoint: endpoint.options.name }, endpoint.pending);
    },
  });
}
