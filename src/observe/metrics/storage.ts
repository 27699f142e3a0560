/** Metrics of the storage: space, content, sync times and garbage collections. */
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
    "Free bytes of the storage; -1 if unknown",
    () => space(({ freeBytes }) => freeBytes),
    "first",
  );
  instruments.gauge(
    "gantry_storage_size_bytes",
    "Size of the storage's volume in bytes; -1 if unknown",
    () => space(({ totalBytes }) => totalBytes),
    "first",
  );
  instruments.gauge(
    "gantry_storage_contents",
    "Stored distinct contents of blobs; -1 until they have been counted",
    () => measures.contents?.contents ?? -1,
    "first",
  );
  instruments.gauge(
    "gantry_storage_contents_bytes",
    "Bytes of the distinct contents of blobs; -1 until they have been counted",
    () => measures.contents?.bytes ?? -1,
    "first",
  );
  const { syncs, requests } = measures;
  if (requests !== undefined)
    instruments.counters(
      "gantry_storage_requests_total",
      "Requests sent to the store, with repeated ones, by method",
      "method",
      () => Object.entries(requests()),
    );
  instruments.histogram(
    "gantry_sync_duration_seconds",
    "Time to sync the journal, a blob's data, a small file or a directory to stable storage",
    ["of"],
    () => Object.entries(syncs).map(([of, durations]) => ({ labels: { of }, durations })),
  );
  instruments.counters(
    "gantry_gc_runs_total",
    "Garbage collections by result, without dry runs",
    "outcome",
    () => Object.entries(gcStats.runs),
  );
  instruments.histogram("gantry_gc_duration_seconds", "Duration of a garbage collection", [], () => [
    { labels: {}, durations: gcStats.durations },
  ]);
  instruments.counters("gantry_gc_removed_total", "Objects removed by garbage collections", "kind", () =>
    Object.entries(gcStats.removed),
  );
  instruments.counter(
    "gantry_gc_freed_bytes_total",
    "Bytes of contents removed by garbage collections",
    () => gcStats.freedBytes,
  );
  instruments.gauge(
    "gantry_gc_last_success_timestamp_seconds",
    "Unix time at which the last garbage collection ended; 0 if none has in this process",
    () => gcStats.lastSuccessAt / 1000,
    "max",
  );
}
