/** Metrics of the engine that the nodes share. */
import type { Instruments } from "./instruments.js";

export interface ClusterMeasures {
  /** Number of commands sent to the engine, by kind. */
  readonly sent: ReadonlyMap<string, number>;
  /** Number of registered nodes, with this one. */
  readonly nodes: number;
  /** Whether this node and all others are in touch, so that all caches are in use. */
  readonly isWhole: boolean;
}

export function measureCluster(instruments: Instruments, cluster: ClusterMeasures): void {
  instruments.counters(
    "gantry_cluster_commands_total",
    "Commands sent to the engine that the nodes share, by kind; `publish` carries the messages to other nodes",
    "kind",
    () => [...cluster.sent],
  );
  instruments.gauge("gantry_cluster_nodes", "Registered nodes, with this one", () => cluster.nodes);
  instruments.gauge(
    "gantry_cluster_in_touch",
    "Whether all nodes are in touch, so that every cache is used",
    () => Number(cluster.isWhole),
  );
}
