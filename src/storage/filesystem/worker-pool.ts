/**
 * The client of the workers: sends them tasks and converts failures to typed errors. An upload stays with one worker, which
 * holds its open file and running hash.
 */
import { lstat } from "node:fs/promises";
import { algorithmOf, type Digest } from "../../domain/digest.js";
import { newSessionId, type SessionId } from "../../domain/session-id.js";
import { AffinePool, type Affinity } from "../../lib/affine-pool.js";
import { assert } from "../../lib/assert.js";
import { now } from "../../lib/clock.js";
import type { SlabPool } from "../../lib/slab-pool.js";
import { storageFailure } from "../errors.js";
import type { UploadTimes } from "../storage.js";
import type { FileStep, SyncTimes } from "./file-steps.js";
import { ifThere } from "./files.js";
import type { JournalSetup } from "./journal/shared.js";
import { WorkDone } from "./work-done.js";
import type {
  AppendTask,
  SealTask,
  StepsRecord,
  UploadPlace,
  WorkerDone,
  WorkerResult,
  WorkerSetup,
  WorkerTask,
} from "./worker-protocol.js";

export interface Sealed {
  readonly digest: Digest;
  /** Size of the resulting blob; `undefined` if it was not placed. */
  readonly placedBytes: number | undefined;
  /** Bytes that are on the disk but not in the page cache. */
  readonly directBytes: number;
}

export interface WorkerPoolOptions {
  readonly threads: number;
  readonly durable: boolean;
  /** For each upload, see `WorkerSetup`. */
  readonly cachedBytes: number;
  /** For each worker, see `WorkerSetup`. */
  readonly openUploadsMax: number;
  /** A task that takes longer counts as hung, not counting the time to read bytes again. */
  readonly taskSecondsMax: number;
  /** For each worker, see `WorkerSetup`. */
  readonly journal?: JournalSetup | undefined;
  /** Called if a worker ends outside of a task. */
  readonly onError: (error: unknown) => void;
}

/** Minimum speed at which a task rehashes an upload's bytes; a slower disk is unusable. */
const readBytesPerSecondMin = 20 * 1024 * 1024;

/** Code of a result that the task itself did not produce. */
const workerLost = "WORKER";
const workerHung = "HUNG";

/**
 * Returns whether the upload's file must not be used again: a worker that did not respond in time may still write to it, or bytes
 * may be lost.
 */
export function losesUpload(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, isLost } = (error.cause ?? {}) as { readonly code?: string; readonly isLost?: boolean };
  return code === workerHung || isLost === true;
}

const workerFile = new URL("../../../workers/uploads/uploads.js", import.meta.url);

/** The times of work that was done by a worker that died before it answered. */
function writtenAt(sentAt: number): UploadTimes {
  return { startedAt: sentAt, openedAt: sentAt, hashedAt: sentAt, writtenAt: sentAt };
}

/**
 * Whether a worker or another process sealed the upload and made it a blob before it died without an answer. The names follow
 * the check of the digest and the sync, or the record in the journal; the upload's own name goes last.
 */
async function wasPlaced({ file, blob }: UploadPlace, size: number): Promise<boolean> {
  if ((await ifThere(lstat(file))) !== undefined) return false;
  return (await ifThere(lstat(blob)))?.size === size;
}

export class WorkerPool {
  readonly #pool: AffinePool<WorkerTask, WorkerResult>;
  readonly done: WorkDone;

  constructor(
    readonly slabs: SlabPool,
    readonly options: WorkerPoolOptions,
  ) {
    const { threads, durable, cachedBytes, openUploadsMax, journal, onError } = options;
    const { memory, flags, slabBytes, blockBytes } = slabs;
    this.done = new WorkDone(durable);
    const setup: WorkerSetup = {
      slabs: memory,
      slabBytes,
      slabFlags: flags,
      blockBytes,
      durable,
      cachedBytes,
      openUploadsMax,
      journal,
    };
    this.#pool = new AffinePool({ file: workerFile, workerData: setup, threads, onError });
  }

  /** Waiting and running tasks. */
  get tasks(): number {
    return this.#pool.tasks;
  }

  /** Whether the thread is one of the pool's. */
  isRunning(threadId: number): boolean {
    return this.#pool.isRunning(threadId);
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
    const sentAt = now();
    try {
      const done = await this.#run({ kind: "seal", ...task }, affinity);
      const { digest, times, placedBytes, directBytes = 0 } = done;
      assert(digest !== undefined && times !== undefined, "a seal gives a digest and its times");
      return { digest, times, placedBytes, directBytes };
    } catch (error) {
      const placedBytes = task.offset + (task.part?.length ?? 0);
      if (task.place === undefined || !(await wasPlaced(task.place, placedBytes))) throw error;
      return { digest: task.expected, placedBytes, directBytes: 0, times: writtenAt(sentAt) };
    }
  }

  async forget(session: SessionId, affinity: Affinity): Promise<void> {
    await this.#run({ kind: "forget", session }, affinity);
  }

  /** Like `forget`, for an upload that another process continues. Rejects if bytes of it are lost. */
  async leave(session: SessionId, affinity: Affinity): Promise<void> {
    await this.#run({ kind: "forget", session, isContinued: true }, affinity);
  }

  /** Resolves when each worker has responded, after its queued tasks. Rejects if there are too few workers. Resolves at once before the first task. */
  answer(): Promise<void> {
    return this.#pool.askAll((affinity) => this.forget(newSessionId(), affinity));
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

  /**
   * Rejects with the system's error for the step that failed. With `journal`, the record comes before the first step, and
   * `isRecorded` in the error tells whether it may exist.
   */
  async fileSteps(steps: readonly FileStep[], journal?: StepsRecord): Promise<SyncTimes> {
    const affinity = { isGathered: journal !== undefined };
    const { syncs } = await this.#run({ kind: "files", steps, journal }, affinity);
    assert(syncs !== undefined, "file steps return their syncs");
    return syncs;
  }

  async #run(task: WorkerTask, affinity: Affinity): Promise<WorkerDone> {
    const sentAt = now();
    let result = await this.#try(task, affinity);
    // The worker died, perhaps of this task. Another worker recovers the upload from its file and repeats the task. File
    // steps may have been done in part, and their caller cleans up.
    if (!result.ok && result.code === workerLost && task.kind !== "files") {
      // It had written the bytes. The slab may be lent to another upload while a repetition still needs it.
      if (task.kind === "append" && (task.part.isGivenBack === true || this.slabs.isDone(task.part.slab)))
        return { times: writtenAt(sentAt), busyMilliseconds: 0 };
      result = await this.#try(task, affinity);
    }
    if (result.ok) {
      assert(affinity.workerId !== undefined, "some worker has done the task");
      this.done.add(task, affinity.workerId, sentAt, result);
      return result;
    }
    const { code, isRecorded, isLost } = result;
    const cause = Object.assign(new Error(result.message), { code, isRecorded, isLost });
    throw task.kind === "files" ? cause : storageFailure(code, cause);
  }

  async #try(task: WorkerTask, affinity: Affinity): Promise<WorkerResult> {
    const result = await this.#pool.run(task, affinity, this.#secondsMax(task));
    if (!("end" in result)) return result;
    const code = result.end === "hung" ? workerHung : workerLost;
    return { ok: false, code, message: result.message, isRecorded: true, isLost: false };
  }

  #secondsMax(task: WorkerTask): number {
    if (task.kind === "digest") return Number.POSITIVE_INFINITY;
    const again = "offset" in task ? task.offset / readBytesPerSecondMin : 0;
    return this.options.taskSecondsMax + again;
  }

  close(): Promise<void> {
    return this.#pool.close((affinity) => this.forget(newSessionId(), affinity));
  }
}
