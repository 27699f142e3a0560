/** What Prometheus is told of uploads on their way: sessions, memory, and what the workers do with the bytes. */
import type { Services } from "../../registry/services.js";
import type { Instruments } from "./instruments.js";

export function measureUploads(
  instruments: Instruments,
  { sessions, slabs, storage, bodyMemory }: Pick<Services, "sessions" | "slabs" | "storage" | "bodyMemory">,
): void {
  const { workers } = storage;
  const { done } = workers;
  instruments.gauge("gantry_upload_sessions", "Upload sessions that are open", () => sessions.size);
  instruments.counter(
    "gantry_upload_sessions_purged_total",
    "Upload sessions that were dropped since nobody used them any more",
    () => sessions.purged,
  );
  instruments.gauge("gantry_upload_slabs_used", "Slabs of memory that uploads have", () => slabs.lent);
  instruments.gauge("gantry_upload_slabs_waiting", "Uploads that wait for a slab", () => slabs.waiting);
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
    "Bytes of requests' bodies that are in memory outside the slabs, by whose budget they take",
    "budget",
    () => budgets.map(([name, { taken }]) => [name, taken] as const),
  );
  instruments.gauges("gantry_body_memory_limit_bytes", "Bytes that each of these budgets has", "budget", () =>
    budgets.map(([name, { bytes }]) => [name, bytes] as const),
  );
  for (const [name, bytes, seconds, throughput] of [
    ["upload_hashed", "Bytes of uploads that were hashed", "Seconds that hashing them took", done.hashed],
    [
      "upload_written",
      "Bytes of uploads that were written to their files",
      "Seconds that writing them took, which goes on beside the hashing",
      done.written,
    ],
    [
      "file_hashed",
      "Bytes of stored files that were read to be hashed again",
      "Seconds that reading and hashing them took",
      done.reread,
    ],
  ] as const) {
    instruments.counter(`gantry_${name}_bytes_total`, bytes, () => throughput.bytes);
    instruments.counter(`gantry_${name}_seconds_total`, seconds, () => throughput.seconds);
  }
  instruments.gauge(
    "gantry_worker_tasks",
    "Tasks that the workers have, waiting and at work",
    () => workers.tasks,
  );
  instruments.counters("gantry_worker_tasks_total", "Tasks that the workers have done", "kind", () =>
    Object.entries(done.tasks),
  );
  instruments.counter(
    "gantry_worker_wait_seconds_total",
    "Seconds that tasks of uploads have waited for a worker",
    () => done.waitedSeconds,
  );
  instruments.counter(
    "gantry_worker_busy_seconds_total",
    "Seconds in which a worker had a task at hand, of all workers together",
    () => done.busySeconds,
  );
}
