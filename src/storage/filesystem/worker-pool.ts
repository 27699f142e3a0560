/**
 * The client of the piscina pool: sends tasks to the workers and converts failures to typed errors. An upload stays with one
 * worker, which holds its open file and running hash.
 */
import { Piscina } from "piscina";
import { algorithmOf, type Digest } from "../../domain/digest.js";
import { newSessionId, type SessionId } from "../../domain/session-id.js";
import { assert } from "../../lib/assert.js";
import { now } from "../../lib/clock.js";
import { endsWithin } from "../../lib/ends-within.js";
import type { SlabPool } from "../../lib/slab-pool.js";
import { storageFailure } from "../errors.js";
import type { UploadTimes } from "../storage.js";
import type { FileStep, SyncTimes } from "./file-steps.js";
import { WorkDone } from "./work-done.js";
import type {
  AppendTask,
  SealTask,
  UploadPlace,
  WorkerDone,
  WorkerResult,
  WorkerSetup,
  WorkerTask,
} from "./worker-protocol.js";

/** The worker of an upload; chosen at its first task, and again if that worker has died. */
export interface Affinity {
  workerId?: number;
}

export interface Sealed {
  readonly digest: Digest;
  /** Size of the resulting blob; `undefined` if it was not placed. */
  readonly placedBytes: number | undefined;
}

export interface WorkerPoolOptions {
  readonly threads: number;
  /** Whether the threads start with the pool, so that no client waits for them, or with the first task. */
  readonly startsAtOnce: boolean;
  readonly durable: boolean;
  /** For each upload, see `WorkerSetup`. */
  readonly cachedBytes: number;
  /** For each worker, see `WorkerSetup`. */
  readonly openUploadsMax: number;
  /** A task that takes longer counts as hung, not counting the time to read bytes again. */
  readonly taskSecondsMax: number;
  /** Called if a worker ends outside of a task. */
  readonly onError: (error: unknown) => void;
}

/** Minimum speed at which a task rehashes an upload's bytes; a slower disk is unusable. */
const readBytesPerSecondMin = 20 * 1024 * 1024;

const lookForHungEverySeconds = 1;

/** A worker loads in about 100 ms; a hanging one must not be waited for. */
const loadMillisecondsMax = 5_000;

/** A running task. */
interface Running {
  readonly affinity: Affinity;
  /** By `performance.now()`. */
  readonly deadline: number;
  /** Ends the wait for it. */
  readonly giveUp: () => void;
}

/** Code of a result that the task itself did not produce. */
const workerLost = "WORKER";
const workerHung = "HUNG";

/** Returns whether a worker did not respond in time. It may still write to the upload, whose file must not be used again. */
export function isHung(error: unknown): boolean {
  return error instanceof Error && (error.cause as NodeJS.ErrnoException | undefined)?.code === workerHung;
}

/**
 * Concurrent tasks of one worker: while one waits for a sync, others hash and write. A number that is never reached, because
 * slabs and sessions bound the tasks: piscina would let a later task overtake one that it could not place, and an upload's
 * tasks must reach their worker in order.
 */
const tasksPerWorkerMax = 1_000_000;

const workerFile = new URL("../../../workers/uploads/uploads.js", import.meta.url);

function leastUsed<W extends { readonly currentUsage: number }>(workers: readonly W[]): W | undefined {
  let least = workers[0];
  for (const worker of workers) {
    if (least === undefined || worker.currentUsage < least.currentUsage) least = worker;
  }
  return least;
}

export class WorkerPool {
  readonly #slabs: SlabPool;
  #piscina: Piscina<WorkerTask, WorkerResult> | undefined;
  readonly done: WorkDone;
  readonly #running = new Set<Running>();
  readonly #watch = setInterval(() => this.#endHung(), lookForHungEverySeconds * 1000).unref();

  constructor(
    slabs: SlabPool,
    readonly options: WorkerPoolOptions,
  ) {
    this.done = new WorkDone(options.durable);
    this.#slabs = slabs;
    if (options.startsAtOnce) this.#start();
  }

  #start(): Piscina<WorkerTask, WorkerResult> {
    const { threads, durable, cachedBytes, openUploadsMax } = this.options;
    const { memory, slabBytes, blockBytes } = this.#slabs;
    const setup: WorkerSetup = { slabs: memory, slabBytes, blockBytes, durable, cachedBytes, openUploadsMax };
    const piscina = new Piscina<WorkerTask, WorkerResult>({
      filename: workerFile.href,
      name: "run",
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: tasksPerWorkerMax,
      workerData: setup,
      recordTiming: false,
      loadBalancer: (task, workers) => {
        const affinity = Reflect.get(task, Piscina.queueOptionsSymbol) as Affinity | null;
        const own = workers.find((worker) => worker.id === affinity?.workerId);
        const chosen = own ?? leastUsed(workers);
        // All workers have died, and their replacements are not ready: the task waits for them.
        if (chosen === undefined) return null;
        if (affinity !== null) affinity.workerId = chosen.id;
        return chosen;
      },
    });
    // Without a listener, the error would end the process; the pool has already started another worker.
    piscina.on("error", this.options.onError);
    this.#piscina = piscina;
    return piscina;
  }

  /** Waiting and running tasks. */
  get tasks(): number {
    return this.#running.size;
  }

  async append(task: Omit<AppendTask, "kind">, affinity: Affinity): Promise<UploadTimes> {
    const { times } = await this.#run({ kind: "append", ...task }, affinity);
    assert(times !== undefined, "an append returns its times");
    return times;
  }

  /** Ends the upload. Returns the digest of all its bytes in the algorithm of `expected`, and its size if it was placed. */
  async seal(
    task: Omit<SealTask, "kind">,
    affinity: Affinity,
  ): Promise<Sealed & { readonly times: UploadTimes }> {
    const { digest, times, placedBytes } = await this.#run({ kind: "seal", ...task }, affinity);
    assert(digest !== undefined && times !== undefined, "a seal gives a digest and its times");
    return { digest, times, placedBytes };
  }

  async forget(session: SessionId, affinity: Affinity): Promise<void> {
    await this.#run({ kind: "forget", session }, affinity);
  }

  /** Resolves when each worker has responded, after its queued tasks. Rejects if there are too few workers. */
  async answer(): Promise<void> {
    const { threads } = this.#piscina ?? this.#start();
    if (threads.length < this.options.threads)
      throw new Error(`${threads.length} of ${this.options.threads} workers run`);
    await Promise.all(threads.map(({ threadId }) => this.forget(newSessionId(), { workerId: threadId })));
  }

  /** Reads a file and returns its digest in the algorithm of `like`. */
  async digestFile(file: string, like: Digest): Promise<Digest> {
    const { digest } = await this.#run({ kind: "digest", file, algorithm: algorithmOf(like) }, {});
    assert(digest !== undefined, "a digest task gives a digest");
    return digest;
  }

  /** Makes the file of a sealed upload a blob. Returns its bytes, or undefined if it could not. */
  async place(place: UploadPlace): Promise<number | undefined> {
    return (await this.#run({ kind: "place", place }, {})).placedBytes;
  }

  /** Rejects with the system's error for the step that failed. */
  async fileSteps(steps: readonly FileStep[]): Promise<SyncTimes> {
    const { syncs } = await this.#run({ kind: "files", steps }, {});
    assert(syncs !== undefined, "file steps return their syncs");
    return syncs;
  }

  async #run(task: WorkerTask, affinity: Affinity): Promise<WorkerDone> {
    const sentAt = now();
    let result = await this.#try(task, affinity);
    // The worker died, perhaps of this task. Another worker recovers the upload from its file and repeats the task. File
    // steps may have been done in part, and their caller cleans up.
    if (!result.ok && result.code === workerLost && task.kind !== "files")
      result = await this.#try(task, affinity);
    if (result.ok) {
      assert(affinity.workerId !== undefined, "some worker has done the task");
      this.done.add(task, affinity.workerId, sentAt, result);
      return result;
    }
    const cause = Object.assign(new Error(result.message), { code: result.code });
    throw task.kind === "files" ? cause : storageFailure(result.code, cause);
  }

  #try(task: WorkerTask, affinity: Affinity): Promise<WorkerResult> {
    return new Promise((resolve) => {
      const finish = (result: WorkerResult): void => {
        this.#running.delete(running);
        resolve(result);
      };
      const running: Running = {
        affinity,
        deadline: performance.now() + this.#secondsMax(task) * 1000,
        giveUp: () => finish({ ok: false, code: workerHung, message: "the worker does not answer" }),
      };
      this.#running.add(running);
      const piscina = this.#piscina ?? this.#start();
      piscina.run({ ...task, [Piscina.queueOptionsSymbol]: affinity }).then(finish, (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        finish({ ok: false, code: workerLost, message });
      });
    });
  }

  #secondsMax(task: WorkerTask): number {
    if (task.kind === "digest") return Number.POSITIVE_INFINITY;
    const again = "offset" in task ? task.offset / readBytesPerSecondMin : 0;
    return this.options.taskSecondsMax + again;
  }

  /** Ends hung workers; their replacements take over the other tasks. */
  #endHung(): void {
    const now = performance.now();
    for (const { affinity, deadline, giveUp } of this.#running) {
      if (deadline > now) continue;
      giveUp();
      const thread = this.#piscina?.threads.find(({ threadId }) => threadId === affinity.workerId);
      void thread?.terminate();
    }
  }

  /** Waits for workers that are starting: Node aborts if a thread is ended while it loads its modules. */
  async close(): Promise<void> {
    clearInterval(this.#watch);
    if (this.#piscina === undefined) return;
    const loaded = this.#piscina.threads.map(({ threadId }) =>
      this.forget(newSessionId(), { workerId: threadId }).catch(() => {}),
    );
    await endsWithin(loadMillisecondsMax, Promise.all(loaded));
    await this.#piscina.destroy();
  }
}
