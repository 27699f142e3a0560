/**
 * What the main thread and the workers say to each other. A task is a plain message; bytes travel in
 * the shared slabs. Errors come back as values, since cloning an Error loses its code.
 */
import type { Algorithm, Digest } from "../domain/digest.js";
import type { SessionId } from "../domain/session-id.js";
import type { FileStep, SyncTimes } from "../storage/file-steps.js";
import type { UploadPlace, UploadTarget } from "../storage/storage.js";

/** What each worker is given once, when it starts. */
export interface WorkerSetup {
  readonly slabs: SharedArrayBuffer;
  readonly slabBytes: number;
  readonly blockBytes: number;
  /** Whether the data is on stable storage when a seal is answered. */
  readonly durable: boolean;
  /** Bytes of an upload that go through the page cache, if it is durable; what is behind them goes past it. */
  readonly cachedBytes: number;
  /** Uploads that this worker keeps open; the one idle for longest gives way and is opened again when it goes on. */
  readonly openUploadsMax: number;
}

/**
 * Some bytes in a slab. They begin as far behind the beginning of a block as they do in their upload: so
 * what is a block there is one here, and can be written to the disk from where it is.
 */
export interface SlabPart {
  readonly slab: number;
  readonly start: number;
  readonly length: number;
}

/** Adds a part to the end of an upload. */
export interface AppendTask {
  readonly kind: "append";
  readonly session: SessionId;
  readonly target: UploadTarget;
  readonly algorithm: Algorithm;
  /** Bytes that the upload has before this part. What the file has beyond is cut off. */
  readonly offset: number;
  readonly part: SlabPart;
}

/** Adds the last part, if there is one, puts the data on stable storage and tells its digest. */
export interface SealTask {
  readonly kind: "seal";
  readonly session: SessionId;
  readonly target: UploadTarget;
  readonly algorithm: Algorithm;
  readonly offset: number;
  readonly part: SlabPart | undefined;
  readonly expected: Digest;
  /** Names that it is given at once, where it has the digest that is expected. */
  readonly place: UploadPlace | undefined;
}

/** Lets go of what a worker holds for an upload. */
export interface ForgetTask {
  readonly kind: "forget";
  readonly session: SessionId;
}

/** Reads a file and gives its digest. */
export interface DigestTask {
  readonly kind: "digest";
  readonly file: string;
  readonly algorithm: Algorithm;
}

/** Makes the file of a sealed upload a blob. */
export interface PlaceTask {
  readonly kind: "place";
  readonly place: UploadPlace;
}

/** Does file operations, one after the other. */
export interface FilesTask {
  readonly kind: "files";
  readonly steps: readonly FileStep[];
}

export type WorkerTask = AppendTask | SealTask | ForgetTask | DigestTask | PlaceTask | FilesTask;

/** When what an append or a seal does had been done, by the clock of all threads. */
export interface TaskTimes {
  /** When it had its turn. */
  readonly startedAt: number;
  /** When the upload was open, and hashed again where the worker did not hold it. */
  readonly openedAt: number;
  /** When something of the upload was hashed last: before `openedAt` where this task had nothing to hash. */
  readonly hashedAt: number;
  /** When the part was in the file: it is written beside the hashing. */
  readonly writtenAt: number;
  /** When all was on stable storage; of a seal only. */
  readonly syncedAt?: number;
  /** When it had been tried to give it its names. */
  readonly placedAt?: number;
}

export interface WorkerDone {
  readonly digest?: Digest;
  readonly times?: TaskTimes;
  /** Of an upload that is a blob now. */
  readonly placedBytes?: number | undefined;
  /** Of file operations. */
  readonly syncs?: SyncTimes;
  /** Of a file that was read to be hashed. */
  readonly read?: { readonly bytes: number; readonly milliseconds: number };
  /** In which the worker has had a task at hand, since it was started. */
  readonly busyMilliseconds: number;
}

export type WorkerResult =
  | ({ readonly ok: true } & WorkerDone)
  | { readonly ok: false; readonly code: string; readonly message: string };
