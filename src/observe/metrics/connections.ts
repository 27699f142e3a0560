/** What Prometheus is told of connections: how many are open, and how many were refused. */
import type { Refusal } from "../../lib/connection-counts.js";
import type { Instruments } from "./instruments.js";

export interface Connections {
  readonly open: number;
  readonly refused: Readonly<Record<Refusal, number>>;
}

export function measureConnections(
  instruments: Instruments,
  connections: Connections,
  chunks: { readonly refused: number },
): void {
  instruments.counter(
    "gantry_connections_cut_off_total",
    "Connections that were closed since their bodies came in too many tiny chunks",
    () => chunks.refused,
  );
  instruments.gauge("gantry_connections", "Connections of clients that are open", () => connections.open);
  instruments.counters(
    "gantry_connections_refused_total",
    "Connections that were closed at once, by which limit was reached",
    "limit",
    () => Object.entries(connections.refused),
  );
}
