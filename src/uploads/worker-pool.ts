/**
 * The piscina pool's client: sends tasks to the workers and turns what went wrong into typed errors. An
 * upload stays with one worker, which holds its open file and running hash.
 */
import { Piscina } from "piscina";
import { algorithmOf, type Digest } from "../domain/digest.js";
import { assert, RegistryError } from "../domain/errors.js";
import type { SessionId } from "../domain/session-id.js";
import type { SlabPool } from "./slab-pool.js";
import type { AppendTask, SealTask, WorkerResult, WorkerSetup, WorkerTask } from "./worker-protocol.js";

/** Which worker an upload belongs to; chosen at its first task, and again where that worker has died. */
export interface Affinity {
  workerId?: number;
}

export interface WorkerPoolOptions {
  readonly threads: number;
  readonly durable: boolean;
}

/**
 * Tasks that one worker may have at a time: while one waits for the disk to sync, others hash and write.
 * Beyond it tasks queue in the main thread, where the slab pool bounds them.
 */
const tasksPerWorkerMax = 64;

const workerFile = new URL("../../workers/uploads.js", import.meta.url);

/** Codes of the system that mean «no space left». */
const full = new Set(["ENOSPC", "EDQUOT"]);

export class WorkerPool {
  readonly #piscina: Piscina<WorkerTask, WorkerResult>;

  constructor(slabs: SlabPool, { threads, durable }: WorkerPoolOptions) {
    const setup: WorkerSetup = { slabs: slabs.memory, slabBytes: slabs.slabBytes, durable };
    this.#piscina = new Piscina({
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
        const chosen =
          own ??
          workers.reduce((least, worker) => (worker.currentUsage < least.currentUsage ? worker : least));
        if (affinity !== null) affinity.workerId = chosen.id;
        return chosen.currentUsage < tasksPerWorkerMax ? chosen : null;
      },
    });
  }

  async append(task: Omit<AppendTask, "kind">, affinity: Affinity): Promise<void> {
    await this.#run({ kind: "append", ...task }, affinity);
  }

  /** The digest of all the upload's bytes, in the algorithm of the digest that is expected. */
  async seal(task: Omit<SealTask, "kind">, affinity: Affinity): Promise<Digest> {
    const { digest } = await this.#run({ kind: "seal", ...task }, affinity);
    assert(digest !== undefined, "a seal gives a digest");
    return digest;
  }

  async forget(session: SessionId, affinity: Affinity): Promise<void> {
    await this.#run({ kind: "forget", session }, affinity);
  }

  /** Reads a file and gives its digest in the algorithm of `like`. */
  async digestFile(file: string, like: Digest): Promise<Digest> {
    const { digest } = await this.#run({ kind: "digest", file, algorithm: algorithmOf(like) }, {});
    assert(digest !== undefined, "a digest task gives a digest");
    return digest;
  }

  async #run(task: WorkerTask, affinity: Affinity): Promise<Extract<WorkerResult, { ok: true }>> {
    const sent = { ...task, [Piscina.queueOptionsSymbol]: affinity };
    const result = await this.#piscina.run(sent).catch((error: unknown): WorkerResult => {
      const message = error instanceof Error ? error.message : String(error);
      return { ok: false, code: "WORKER", message };
    });
    if (result.ok) return result;
    const cause = Object.assign(new Error(result.message), { code: result.code });
    throw full.has(result.code)
      ? new RegistryError("storage-full", "the registry's storage is full", undefined, { cause })
      : new RegistryError("storage-failed", "the registry's storage failed", undefined, { cause });
  }

  close(): Promise<void> {
    return this.#piscina.destroy();
  }
}
