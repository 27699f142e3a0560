/** What the workers have done, in sums: put together of what they say at the end of each task. */
import { Durations } from "../../lib/durations.js";
import type { UploadTimes, WorkMeasures } from "../storage.js";
import { syncSecondsBounds } from "./syncs.js";
import type { WorkerDone, WorkerTask } from "./worker-protocol.js";

/** Bytes, and the seconds that they took. */
class Throughput {
  bytes = 0;
  seconds = 0;

  add(bytes: number, milliseconds: number): void {
    this.bytes += bytes;
    this.seconds += milliseconds / 1000;
  }
}

export class WorkDone implements WorkMeasures {
  /** By kind; those that failed are left out. */
  readonly tasks: Record<WorkerTask["kind"], number> = {
    append: 0,
    seal: 0,
    forget: 0,
    digest: 0,
    place: 0,
    files: 0,
  };
  /** That the tasks of uploads have waited for their turn. */
  waitedSeconds = 0;
  readonly hashed = new Throughput();
  /** Until the worker had heard of the end, which it does when it has hashed what is being written. */
  readonly written = new Throughput();
  /** Of files that were read to be hashed again. */
  readonly reread = new Throughput();
  /** Of the syncs at the end of uploads, whose data is then on stable storage. */
  readonly syncs = new Durations(syncSecondsBounds);
  /** By worker. */
  readonly #busyMilliseconds = new Map<number, number>();

  constructor(readonly durable: boolean) {}

  /** Seconds in which a worker had a task at hand, of all workers together. */
  get busySeconds(): number {
    return [...this.#busyMilliseconds.values()].reduce((sum, milliseconds) => sum + milliseconds, 0) / 1000;
  }

  /** `sentAt`: when the task was sent to the workers. */
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
