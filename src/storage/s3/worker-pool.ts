/** The client of the workers: sends them tasks with the store's credentials, and converts failures to typed errors. */
import { type Algorithm, algorithmOf, type Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { newSessionId, type SessionId } from "../../domain/session-id.js";
import { AffinePool, type Affinity } from "../../lib/affine-pool.js";
import { now } from "../../lib/clock.js";
import type { StorageWorkers } from "../storage.js";
import { portError } from "./failure.js";
import type { Reserve } from "./reserve.js";
import type { S3Credentials } from "./signed-requests.js";
import { S3WorkDone } from "./work-done.js";
import type {
  ForgetTask,
  S3Task,
  S3WorkerDone,
  S3WorkerResult,
  S3WorkerSetup,
  S3WorkerTask,
} from "./worker-protocol.js";

export interface S3WorkerPoolOptions {
  readonly setup: S3WorkerSetup;
  readonly credentials: () => Promise<S3Credentials>;
  /** Throws if this node may have lost the store. */
  readonly confirm: () => void;
  readonly reserve: Reserve;
  readonly threads: number;
  /** A task that takes longer counts as hung, not counting the time to read objects. */
  readonly taskSecondsMax: number;
  /** Called if a worker ends outside of a task. */
  readonly onError: (error: unknown) => void;
}

/** Another node has continued the upload, so this node must not touch it any more. */
export class UploadTaken extends RegistryError {
  constructor() {
    super("upload-busy", "another process or node has continued this upload");
  }
}

/** Minimum speed at which a task reads an upload's bytes again. */
const readBytesPerSecondMin = 5 * 1024 * 1024;

/** Tasks that bring bytes to the store. */
const pushing: ReadonlySet<S3Task["kind"]> = new Set(["append", "flush", "seal", "commit"]);

const workerFile = new URL("../../../workers/s3/s3.js", import.meta.url);

export class S3WorkerPool implements StorageWorkers {
  readonly #pool: AffinePool<S3WorkerTask, S3WorkerResult>;
  readonly done = new S3WorkDone();

  constructor(readonly options: S3WorkerPoolOptions) {
    const { setup, threads, onError } = options;
    this.#pool = new AffinePool({
      file: workerFile,
      workerData: setup,
      threads,
      worksBetweenTasks: true,
      onError,
    });
  }

  get tasks(): number {
    return this.#pool.tasks;
  }

  answer(): Promise<void> {
    return this.#pool.askAll((affinity) => this.forget(newSessionId(), "nothing", affinity));
  }

  async forget(session: SessionId, erases: ForgetTask["erases"], affinity: Affinity): Promise<void> {
    await this.run({ kind: "forget", session, erases }, affinity);
  }

  /** Reads an object. Resolves with its digest in the algorithm of `like`, or with `undefined` if there is none. */
  async digestObject(key: string, like: Digest): Promise<Digest | undefined> {
    const algorithm: Algorithm = algorithmOf(like);
    return (await this.run({ kind: "digest", key, algorithm }, {})).digest;
  }

  /** Rejects with the port's errors, and with `UploadTaken`. */
  async run(task: S3Task, affinity: Affinity): Promise<S3WorkerDone> {
    const sentAt = now();
    if (task.kind === "flush" || task.kind === "commit") this.options.confirm();
    if (pushing.has(task.kind)) this.#confirmRoom();
    const credentials = await this.options.credentials();
    const signed = { ...task, credentials } as S3WorkerTask;
    const result = await this.#pool.run(signed, affinity, this.#secondsMax(task));
    if ("end" in result)
      throw new RegistryError("storage-failed", "the registry's storage failed", undefined, {
        cause: new Error(result.message),
      });
    if (result.ok) {
      this.done.add(task, affinity.workerId ?? 0, sentAt, result);
      return result;
    }
    const { error, message, detail, cause } = result;
    if (error === "storage-full") this.options.reserve.refused();
    if (error === "taken") throw new UploadTaken();
    if (error === "unexpected") throw new Error(message);
    throw new RegistryError(error, message, detail, cause === undefined ? {} : { cause: new Error(cause) });
  }

  #confirmRoom(): void {
    try {
      this.options.reserve.confirm();
    } catch (error) {
      throw portError(error);
    }
  }

  #secondsMax(task: S3Task): number {
    if (task.kind === "digest") return Number.POSITIVE_INFINITY;
    const again = "offset" in task ? task.offset / readBytesPerSecondMin : 0;
    return this.options.taskSecondsMax + again;
  }

  close(): Promise<void> {
    return this.#pool.close((affinity) => this.forget(newSessionId(), "nothing", affinity));
  }
}
