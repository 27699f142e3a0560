/** Totals of the workers' work, summed from the report at the end of each task. */
import { Durations } from "../../lib/durations.js";
import type { UploadTimes, WorkMeasures } from "../storage.js";
import { syncSecondsBounds } from "./syncs.js";
import type { WorkerDone, WorkerTask } from "./worker-protocol.js";

/** Bytes, and the seconds spent on them. */
class Throughput {
  bytes = 0;
  seconds = 0;

  add(bytes: number, milliseconds: number): void {
    this.bytes += bytes;
    this.seconds += milliseconds / 1000;
  }
}

export class WorkDone implements WorkMeasures {
  /** Successful tasks by kind. */
  readonly tasks: Record<WorkerTask["kind"], number> = {
    append: 0,
    seal: 0,
    forget: 0,
    digest: 0,
    place: 0,
    files: 0,
  };
  /** Seconds that tasks of uploads waited for their turn. */
  waitedSeconds = 0;
  readonly hashed = new Throughput();
  /** Includes the time until the worker noticed the end of the write, which it does after hashing the same bytes. */
  readonly written = new Throughput();
  /** Files that were read to be hashed again. */
  readonly reread = new Throughput();
  /** Syncs at the end of uploads, after which their data is on stable storage. */
  readonly syncs = new Durations(syncSecondsBounds);
  /** Busy milliseconds by worker. */
  readonly #busyMilliseconds = new Map<number, number>();

  constructor(readonly durable: boolean) {}

  /** Seconds in which workers were busy, summed over all workers. */
  get busySeconds(): number {
    return [...this.#busyMilliseconds.values()].reduce((sum, milliseconds) => sum + milliseconds, 0) / 1000;
  }

  /** `sentAt` is the time at which the task was sent to the workers. */
  add(task: WorkerTask, workerId: number, sentAt: number, done: WorkerDone): void {
    this.tasks[task.kind]++;
    this.#busyMilliseconds.set(workerId, done.busyMilliseconds);
    if (done.read !== undefined) this.reread.add(done.read.bytes, done.read.milliseconds);
    if ((task.kind === "append" || task.kind === "seal") && done.times !== undefined)
      this.#addTimes(task.part?.length ?? 0, sentAt, done.times);
  }

  #addTimes(bytes: number, sentAt: number, times: UploadTimes): void {
    const { startedAt, openedAt, hashedAt, writtenAt, syncedAt } = times;
    this.waitedSeconds += Math.max(0, startedAt - sentAt) / 1000;
    if (bytes > 0) {
      this.hashed.add(bytes, hashedAt - openedAt);
      this.written.add(bytes, writtenAt - openedAt);
    }
    if (this.durable && syncedAt !== undefined)
      this.syncs.add((syncedAt - Math.max(hashedAt, writtenAt)) / 1000);
  }
}
