/**
 * What the main thread and the workers say to each other. A task is a plain message; bytes travel in
 * the shared slabs. Errors come back as values, since cloning an Error loses its code.
 */
import type { Algorithm, Digest } from "../../domain/digest.js";
import type { SessionId } from "../../domain/session-id.js";
import type { SlabPart } from "../../lib/slab-pool.js";
import type { UploadTimes } from "../storage.js";
import type { FileStep, SyncTimes } from "./file-steps.js";

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

/** The files of an upload. */
export interface UploadFiles {
  readonly file: string;
  /** Present if the session is to be found again after a crash. */
  readonly record?: UploadRecordFiles;
}

/** The record of a session, as it is put on the disk before the first bytes. */
export interface UploadRecordFiles {
  readonly file: string;
  readonly text: string;
  /** A file to write the record to, to which `file` then is a link. */
  readonly linkedFile?: string | undefined;
}

/** The names that make the file of a sealed upload a blob, and those that it gives up. */
export interface UploadPlace {
  readonly file: string;
  readonly recordFile: string | undefined;
  readonly content: string;
  readonly blob: string;
}

/** Adds a part to the end of an upload. */
export interface AppendTask {
  readonly kind: "append";
  readonly session: SessionId;
  readonly files: UploadFiles;
  readonly algorithm: Algorithm;
  /** Bytes that the upload has before this part. What the file has beyond is cut off. */
  readonly offset: number;
  readonly part: SlabPart;
}

/** Adds the last part, if there is one, puts the data on stable storage and tells its digest. */
export interface SealTask {
  readonly kind: "seal";
  readonly session: SessionId;
  readonly files: UploadFiles;
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

export interface WorkerDone {
  readonly digest?: Digest;
  readonly times?: UploadTimes;
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
