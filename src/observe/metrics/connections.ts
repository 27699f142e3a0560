/** Metrics of connections: open and refused. */
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
    "Connections closed because their bodies had too many tiny chunks",
    () => chunks.refused,
  );
  instruments.gauge("gantry_connections", "Open client connections", () => connections.open);
  instruments.counters(
    "gantry_connections_refused_total",
    "Connections closed immediately, by the limit that was reached",
    "limit",
    () => Object.entries(connections.refused),
  );
}
