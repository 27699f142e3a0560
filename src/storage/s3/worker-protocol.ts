/**
 * The protocol between the main thread and the workers of the S3 driver. A task is a plain message; bytes travel in the shared
 * slabs. Errors are sent as values, because cloning an Error loses its kind.
 */
import type { Algorithm, Digest } from "../../domain/digest.js";
import type { ErrorKind } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { SessionId } from "../../domain/session-id.js";
import type { SlabPart } from "../../lib/slab-pool.js";
import type { UploadTimes } from "../storage.js";
import type { S3Limits, S3Place } from "./requests.js";
import type { S3Credentials } from "./signed-requests.js";
import type { StoredUpload } from "./upload-state.js";

/** The start parameters of a worker. */
export interface S3WorkerSetup {
  readonly slabs: SharedArrayBuffer;
  readonly slabBytes: number;
  readonly place: S3Place;
  readonly limits: S3Limits;
  /** Size of all parts of a multipart upload but the last. */
  readonly partBytes: number;
  /** Parts that this worker holds in memory. Further ones are in scratch files. */
  readonly partsInMemory: number;
  /** Folder of the scratch files. */
  readonly scratchFolder: string;
  readonly graceSeconds: number;
}

/** Credentials accompany each task, because they expire. */
interface Signed {
  readonly credentials: S3Credentials;
}

interface OfUpload extends Signed {
  readonly session: SessionId;
  readonly algorithm: Algorithm;
  /** Whether more requests are likely to bring bytes, perhaps to other nodes: then the state of the hash can be stored. */
  readonly inChunks: boolean;
  /** The stored upload to continue with. Absent if the worker holds the upload, or if it begins. */
  readonly stored?: StoredUpload | undefined;
}

/** The end of an upload: its last bytes, if any, and the number of bytes before them. */
interface WithTail {
  readonly offset: number;
  readonly part: SlabPart | undefined;
  readonly expected: Digest;
}

export interface AppendTask extends OfUpload {
  readonly kind: "append";
  readonly offset: number;
  readonly part: SlabPart;
}

/** Stores the upload so that any node can continue with it. */
export interface FlushTask extends OfUpload {
  readonly kind: "flush";
  readonly offset: number;
  /** The serialized record of the session. */
  readonly record: string;
  /** The version of the stored upload that this node wrote or read; none if there is none. */
  readonly etag: string | undefined;
  /** Whether the bytes may be stored as early data, if they are few. */
  readonly mayBeEarly: boolean;
}

/** Drops the bytes after `offset`. The answer has `offset` if that was possible. */
export interface RewindTask extends OfUpload {
  readonly kind: "rewind";
  readonly offset: number;
}

/** Stores the data under its final key. */
export interface SealTask extends OfUpload, WithTail {
  readonly kind: "seal";
}

/** Makes the upload a blob. Seals it first if it is not sealed. */
export interface CommitTask extends OfUpload, WithTail {
  readonly kind: "commit";
  readonly name: RepositoryName;
}

/**
 * Releases the worker's state of an upload, and erases what it has sent to the store. With `unstored`, only what is not part of
 * the stored upload, which continues, and nobody waits for that.
 */
export interface ForgetTask extends Signed {
  readonly kind: "forget";
  readonly session: SessionId;
  readonly erases: "all" | "unstored" | "nothing";
}

/** Reads an object and returns its digest. */
export interface DigestTask extends Signed {
  readonly kind: "digest";
  readonly key: string;
  readonly algorithm: Algorithm;
}

export type UploadTask = AppendTask | FlushTask | RewindTask | SealTask | CommitTask | ForgetTask;
export type S3WorkerTask = UploadTask | DigestTask;

type Without<T, Keys extends PropertyKey> = T extends unknown ? Omit<T, Keys> : never;
/** A task to which the pool adds the credentials. */
export type S3Task = Without<S3WorkerTask, "credentials">;
/** A task to which the upload adds what it has in common with others. */
export type UploadStep = Without<Exclude<UploadTask, ForgetTask>, keyof OfUpload>;

export interface S3WorkerDone {
  /** Absent if there is no object to read. */
  readonly digest?: Digest | undefined;
  readonly times?: UploadTimes;
  /** The version of the upload that a flush has stored. */
  readonly etag?: string;
  /** Whether a flush has stored the bytes as early data instead. */
  readonly isEarly?: boolean;
  readonly offset?: number;
  readonly healed?: boolean;
  /** Bytes and time of an object that was read to be hashed. */
  readonly read?: { readonly bytes: number; readonly milliseconds: number };
  /** Requests that this worker has sent to the store, by method, since it started. */
  readonly requests: Readonly<Record<string, number>>;
  /** Time in which the worker was busy, since it started. */
  readonly busyMilliseconds: number;
}

export type S3WorkerResult =
  | ({ readonly ok: true } & S3WorkerDone)
  | {
      readonly ok: false;
      readonly error: ErrorKind | "taken" | "unexpected";
      readonly message: string;
      readonly detail?: unknown;
      /** For the log. */
      readonly cause?: string;
    };
