/** Metrics of webhooks, by endpoint. */
import type { Endpoint } from "../../notifications/endpoint.js";
import type { Instruments } from "./instruments.js";

const counters: readonly (readonly [name: string, help: string, value: (endpoint: Endpoint) => number])[] = [
  ["events_total", "Events for the endpoint", ({ counts }) => counts.events],
  ["delivered_total", "Delivered events", ({ counts }) => counts.delivered],
  ["dropped_total", "Events dropped because the queue was full", ({ counts }) => counts.dropped],
  ["failures_total", "Failed delivery attempts", ({ counts }) => counts.failures],
];

export function measureEndpoints(instruments: Instruments, endpoints: readonly Endpoint[]): void {
  const values = (of: (endpoint: Endpoint) => number) => () =>
    endpoints.map((endpoint) => [endpoint.options.name, of(endpoint)] as const);
  for (const [name, help, value] of counters)
    instruments.counters(`gantry_notifications_${name}`, help, "endpoint", values(value));
  instruments.gauges(
    "gantry_notifications_pending",
    "Events waiting for delivery",
    "endpoint",
    values(({ pending }) => pending),
  );
}
