/** What Prometheus is told of webhooks, by endpoint. */
import type { Endpoint } from "../../notifications/endpoint.js";
import type { Instruments } from "./instruments.js";

const counters: readonly (readonly [name: string, help: string, value: (endpoint: Endpoint) => number])[] = [
  ["events_total", "Events that the endpoint wanted", ({ counts }) => counts.events],
  ["delivered_total", "Events that it has taken", ({ counts }) => counts.delivered],
  ["dropped_total", "Events that found no room in its queue", ({ counts }) => counts.dropped],
  ["failures_total", "Tries at which it took nothing", ({ counts }) => counts.failures],
];

export function measureEndpoints(instruments: Instruments, endpoints: readonly Endpoint[]): void {
  const values = (of: (endpoint: Endpoint) => number) => () =>
    endpoints.map((endpoint) => [endpoint.options.name, of(endpoint)] as const);
  for (const [name, help, value] of counters)
    instruments.counters(`gantry_notifications_${name}`, help, "endpoint", values(value));
  instruments.gauges(
    "gantry_notifications_pending",
    "Events that wait for the endpoint",
    "endpoint",
    values(({ pending }) => pending),
  );
}
