/** Totals of the workers' work, summed from the report at the end of each task. */
import { Durations } from "../../lib/durations.js";
import { WorkTotals } from "../work-totals.js";
import { syncSecondsBounds } from "./syncs.js";
import type { WorkerDone, WorkerTask } from "./worker-protocol.js";

export class WorkDone extends WorkTotals<WorkerTask["kind"]> {
  /** Syncs at the end of uploads, after which their data is on stable storage. */
  readonly syncs = new Durations(syncSecondsBounds);
  /** Syncs of the journal, each shared by any number of changes. */
  readonly journalSyncs = new Durations(syncSecondsBounds);

  constructor(readonly durable: boolean) {
    super({ append: 0, seal: 0, forget: 0, digest: 0, place: 0, files: 0 });
  }

  /** `sentAt` is the time at which the task was sent to the workers. */
  add(task: WorkerTask, workerId: number, sentAt: number, done: WorkerDone): void {
    this.addTask(task.kind, workerId, done);
    if (done.journalSync !== undefined) this.journalSyncs.add(done.journalSync / 1000);
    if ((task.kind !== "append" && task.kind !== "seal") || done.times === undefined) return;
    this.addTimes(task.part?.length ?? 0, sentAt, done.times);
    const { hashedAt, writtenAt, syncedAt } = done.times;
    const isJournaled = task.kind === "seal" && task.journal !== undefined;
    if (this.durable && syncedAt !== undefined && !isJournaled)
      this.syncs.add((syncedAt - Math.max(hashedAt, writtenAt)) / 1000);
  }
}
