/** What Prometheus is told of the storage: its space, what it holds, how long it syncs, what is collected. */
import type { Services } from "../../registry/services.js";
import type { Space } from "../../storage/storage.js";
import type { Instruments } from "./instruments.js";

export function measureStorage(
  instruments: Instruments,
  { storage, gcStats }: Pick<Services, "storage" | "gcStats">,
): void {
  const { measures } = storage;
  const space = async (of: (space: Space) => number) => {
    const found = await storage.volume.space().catch(() => undefined);
    return found === undefined ? -1 : of(found);
  };
  instruments.gauge(
    "gantry_storage_free_bytes",
    "Bytes that are left to the storage; -1 where nobody knows",
    () => space(({ freeBytes }) => freeBytes),
  );
  instruments.gauge(
    "gantry_storage_size_bytes",
    "Bytes that the storage's volume has; -1 where nobody knows",
    () => space(({ totalBytes }) => totalBytes),
  );
  instruments.gauge(
    "gantry_storage_contents",
    "Distinct contents of blobs that are stored; -1 until they have been counted",
    () => measures.contents?.contents ?? -1,
  );
  instruments.gauge(
    "gantry_storage_contents_bytes",
    "Bytes of the distinct contents of blobs; -1 until they have been counted",
    () => measures.contents?.bytes ?? -1,
  );
  const { syncs } = measures;
  instruments.histogram(
    "gantry_sync_duration_seconds",
    "Time to put something on stable storage: the data of a blob, a small file, the names in a directory",
    ["of"],
    () => Object.entries(syncs).map(([of, durations]) => ({ labels: { of }, durations })),
  );
  instruments.counters(
    "gantry_gc_runs_total",
    "Garbage collections, by how they ended; those that only tell are left out",
    "outcome",
    () => Object.entries(gcStats.runs),
  );
  instruments.histogram("gantry_gc_duration_seconds", "Time that a garbage collection took", [], () => [
    { labels: {}, durations: gcStats.durations },
  ]);
  instruments.counters("gantry_gc_removed_total", "What garbage collections have removed", "kind", () =>
    Object.entries(gcStats.removed),
  );
  instruments.counter(
    "gantry_gc_freed_bytes_total",
    "Bytes of the contents that garbage collections have removed",
    () => gcStats.freedBytes,
  );
  instruments.gauge(
    "gantry_gc_last_success_timestamp_seconds",
    "When a garbage collection came to its end last, since 1970; 0 where none has in this process",
    () => gcStats.lastSuccessAt / 1000,
  );
}
