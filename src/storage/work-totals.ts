/** Totals of the work of a storage's workers. */
import type { Throughput, UploadTimes, WorkMeasures } from "./storage.js";

/** Bytes, and the seconds spent on them. */
class Sum implements Throughput {
  bytes = 0;
  seconds = 0;

  add(bytes: number, milliseconds: number): void {
    this.bytes += bytes;
    this.seconds += milliseconds / 1000;
  }
}

/** The part of a task's result that every kind of worker reports. */
export interface TaskDone {
  /** Bytes and time of stored bytes that were read to be hashed. */
  readonly read?: { readonly bytes: number; readonly milliseconds: number };
  /** Time in which the worker was busy, since it started. */
  readonly busyMilliseconds: number;
}

export class WorkTotals<Kind extends string> implements WorkMeasures {
  /** Seconds that tasks of uploads waited for their turn. */
  waitedSeconds = 0;
  readonly hashed = new Sum();
  /** Includes the time until the worker noticed the end of the write, which it does after hashing the same bytes. */
  readonly written = new Sum();
  readonly reread = new Sum();
  /** Busy milliseconds by worker. */
  readonly #busyMilliseconds = new Map<number, number>();

  /** `tasks` counts the successful tasks by kind. */
  constructor(readonly tasks: Record<Kind, number>) {}

  /** Seconds in which workers were busy, summed over all workers. */
  get busySeconds(): number {
    return [...this.#busyMilliseconds.values()].reduce((sum, milliseconds) => sum + milliseconds, 0) / 1000;
  }

  protected addTask(kind: Kind, workerId: number, { read, busyMilliseconds }: TaskDone): void {
    this.tasks[kind]++;
    this.#busyMilliseconds.set(workerId, busyMilliseconds);
    if (read !== undefined) this.reread.add(read.bytes, read.milliseconds);
  }

  /** `sentAt` is the time at which the task was sent to the workers. */
  protected addTimes(bytes: number, sentAt: number, times: UploadTimes): void {
    const { startedAt, openedAt, hashedAt, writtenAt } = times;
    this.waitedSeconds += Math.max(0, startedAt - sentAt) / 1000;
    if (bytes === 0) return;
    this.hashed.add(bytes, hashedAt - openedAt);
    this.written.add(bytes, writtenAt - openedAt);
  }
}
