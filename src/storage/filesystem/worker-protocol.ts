/**
 * The protocol between the main thread and the workers. A task is a plain message; bytes travel in the shared slabs. Errors
 * are sent as values, because cloning an Error loses its code.
 */
import type { Algorithm, Digest } from "../../domain/digest.js";
import type { SessionId } from "../../domain/session-id.js";
import type { SlabPart } from "../../lib/slab-pool.js";
import type { UploadTimes } from "../storage.js";
import type { FileStep, SyncTimes } from "./file-steps.js";
import type { RecordContent } from "./journal/record.js";
import type { JournalSetup } from "./journal/shared.js";

/** The start parameters of a worker. */
export interface WorkerSetup {
  readonly slabs: SharedArrayBuffer;
  readonly slabBytes: number;
  /** The flags of the slabs; `SlabPool` describes them. */
  readonly slabFlags: SharedArrayBuffer;
  readonly blockBytes: number;
  /** Whether the data must be on stable storage when a seal is answered. */
  readonly durable: boolean;
  /** Bytes of a durable upload that go through the page cache; later bytes bypass it. */
  readonly cachedBytes: number;
  /** Uploads that this worker keeps open; the one idle for longest is closed, and opened again when it continues. */
  readonly openUploadsMax: number;
  /** Absent if the store has no journal. */
  readonly journal: JournalSetup | undefined;
}

/** The files of an upload. */
export interface UploadFiles {
  readonly file: string;
  /** Present if the session must be found again after a crash. */
  readonly record?: UploadRecordFiles;
}

/** The record of a session, written to the disk before the first bytes. */
export interface UploadRecordFiles {
  readonly file: string;
  readonly text: string;
  /** The file to write the record to; `file` then is a link to it. */
  readonly linkedFile?: string | undefined;
}

/** The links that make the file of a sealed upload a blob, and those to remove. */
export interface UploadPlace {
  readonly file: string;
  readonly recordFile?: string | undefined;
  readonly content: string;
  readonly blob: string;
  /** Directories on the paths of `content` and `blob` that may be symbolic links. No link is created through one. */
  readonly unchecked: readonly string[];
}

/** Adds a part to the end of an upload. */
export interface AppendTask {
  readonly kind: "append";
  readonly session: SessionId;
  readonly files: UploadFiles;
  readonly algorithm: Algorithm;
  /** Number of bytes before this part. Truncates the file after them. */
  readonly offset: number;
  readonly part: SlabPart;
}

/** Adds the last part, if any, syncs the data and returns its digest. */
export interface SealTask {
  readonly kind: "seal";
  readonly session: SessionId;
  readonly files: UploadFiles;
  readonly algorithm: Algorithm;
  readonly offset: number;
  readonly part: SlabPart | undefined;
  readonly expected: Digest;
  /** Links to create at once if the digest is the expected one. */
  readonly place: UploadPlace | undefined;
  /**
   * Makes the upload, which has few bytes, durable by a record in the journal, before its links. The generation in which
   * the push began.
   */
  readonly journal?: number | undefined;
}

/** Releases a worker's state for an upload. */
export interface ForgetTask {
  readonly kind: "forget";
  readonly session: SessionId;
  /** Whether another process continues the upload: then the task fails if bytes are lost. */
  readonly isContinued?: boolean;
}

/** Reads a file and returns its digest. */
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

/** Performs file operations in order. */
export interface FilesTask {
  readonly kind: "files";
  readonly steps: readonly FileStep[];
  /** Makes the steps durable by this record, before the first step. None of them is synced then. */
  readonly journal?: StepsRecord | undefined;
}

export interface StepsRecord extends RecordContent {
  /** In which the operation began. */
  readonly generation: number;
}

export type WorkerTask = AppendTask | SealTask | ForgetTask | DigestTask | PlaceTask | FilesTask;

export interface WorkerDone {
  readonly digest?: Digest;
  readonly times?: UploadTimes;
  /** Bytes of a sealed upload that bypassed the page cache, if one worker wrote all of them. */
  readonly directBytes?: number;
  /** Size, if the upload is a blob now. */
  readonly placedBytes?: number | undefined;
  /** Sync times of file operations. */
  readonly syncs?: SyncTimes;
  /** The time of a journal's sync, in milliseconds, reported by one of the tasks that share it. */
  readonly journalSync?: number | undefined;
  /** Bytes and time of a file that was read to be hashed. */
  readonly read?: { readonly bytes: number; readonly milliseconds: number };
  /** Time in which the worker was busy, since it started. */
  readonly busyMilliseconds: number;
}

export type WorkerResult =
  | ({ readonly ok: true } & WorkerDone)
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      /** Whether the task may have written its record to the journal. */
      readonly isRecorded: boolean;
      /** Whether bytes of the upload that were written before may be lost. */
      readonly isLost: boolean;
    };
