/** Totals of the workers' work, summed from the report at the end of each task. */
import { WorkTotals } from "../work-totals.js";
import type { S3Task, S3WorkerDone } from "./worker-protocol.js";

export class S3WorkDone extends WorkTotals<S3Task["kind"]> {
  /** Requests to the store, by worker and method. */
  readonly #requests = new Map<number, Readonly<Record<string, number>>>();

  constructor() {
    super({ append: 0, flush: 0, rewind: 0, seal: 0, commit: 0, forget: 0, digest: 0 });
  }

  /** Requests that the workers have sent to the store, by method. */
  get requests(): Readonly<Record<string, number>> {
    const sum: Record<string, number> = {};
    for (const byMethod of this.#requests.values())
      for (const [method, count] of Object.entries(byMethod)) sum[method] = (sum[method] ?? 0) + count;
    return sum;
  }

  /** `sentAt` is the time at which the task was sent to the workers. */
  add(task: S3Task, workerId: number, sentAt: number, done: S3WorkerDone): void {
    this.addTask(task.kind, workerId, done);
    this.#requests.set(workerId, done.requests);
    if (done.times !== undefined && "part" in task) this.addTimes(task.part?.length ?? 0, sentAt, done.times);
  }
}
