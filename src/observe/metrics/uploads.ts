/** Metrics of uploads: sessions, memory, and the work of the workers. */
import type { Services } from "../../registry/services.js";
import type { Instruments } from "./instruments.js";

export function measureUploads(
  instruments: Instruments,
  { sessions, slabs, storage, bodyMemory }: Pick<Services, "sessions" | "slabs" | "storage" | "bodyMemory">,
): void {
  const { workers } = storage;
  const { done } = workers;
  instruments.gauge("gantry_upload_sessions", "Open upload sessions", () => sessions.size);
  instruments.counter(
    "gantry_upload_sessions_purged_total",
    "Upload sessions dropped because they were abandoned",
    () => sessions.purged,
  );
  instruments.gauge("gantry_upload_slabs_used", "Memory slabs in use by uploads", () => slabs.lent);
  instruments.gauge("gantry_upload_slabs_waiting", "Uploads waiting for a slab", () => slabs.waiting);
  instruments.counter(
    "gantry_upload_slab_waits_total",
    "Times that an upload had to wait for a slab",
    () => slabs.waits,
  );
  instruments.counter(
    "gantry_upload_slab_wait_seconds_total",
    "Seconds that uploads have waited for a slab",
    () => slabs.waitedSeconds,
  );
  const budgets = Object.entries({ upload: slabs.overflow, whole: bodyMemory });
  instruments.gauges(
    "gantry_body_memory_used_bytes",
    "Bytes of request bodies in memory outside the slabs, by budget",
    "budget",
    () => budgets.map(([name, { taken }]) => [name, taken] as const),
  );
  instruments.gauges("gantry_body_memory_limit_bytes", "Size of each budget in bytes", "budget", () =>
    budgets.map(([name, { bytes }]) => [name, bytes] as const),
  );
  for (const [name, bytes, seconds, throughput] of [
    ["upload_hashed", "Bytes of uploads hashed", "Seconds spent hashing uploads", done.hashed],
    [
      "upload_written",
      "Bytes of uploads written to files",
      "Seconds spent writing uploads, in parallel with hashing",
      done.written,
    ],
    [
      "file_hashed",
      "Bytes of stored files read to be hashed again",
      "Seconds spent reading and hashing stored files",
      done.reread,
    ],
  ] as const) {
    instruments.counter(`gantry_${name}_bytes_total`, bytes, () => throughput.bytes);
    instruments.counter(`gantry_${name}_seconds_total`, seconds, () => throughput.seconds);
  }
  instruments.gauge("gantry_worker_tasks", "Waiting and running tasks of the workers", () => workers.tasks);
  instruments.counters("gantry_worker_tasks_total", "Finished tasks of the workers", "kind", () =>
    Object.entries(done.tasks),
  );
  instruments.counter(
    "gantry_worker_wait_seconds_total",
    "Seconds that tasks of uploads have waited for a worker",
    () => done.waitedSeconds,
  );
  instruments.counter(
    "gantry_worker_busy_seconds_total",
    "Seconds in which workers were busy, summed over all workers",
    () => done.busySeconds,
  );
}
