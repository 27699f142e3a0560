/** Failures of the store behind the driver, and the port's errors for them. */
import { type ErrorKind, RegistryError } from "../../domain/errors.js";
import { withErrors } from "../with-errors.js";

export interface FailureDetails {
  readonly cause?: unknown;
  /** HTTP status of the answer, if there was one. */
  readonly status?: number | undefined;
  /** The store's own code, such as `SlowDown`. */
  readonly code?: string | undefined;
  /** Whether the same request may succeed later. */
  readonly mayPass?: boolean;
}

export class S3Failure extends Error {
  override readonly name = "S3Failure";
  readonly status: number | undefined;
  readonly code: string;
  readonly mayPass: boolean;

  constructor(message: string, { cause, status, code = "", mayPass = false }: FailureDetails = {}) {
    super(message, { cause });
    this.status = status;
    this.code = code;
    this.mayPass = mayPass;
  }
}

/** The code of a failure: the answer has more bytes than were asked for. */
export const answerTooLarge = "AnswerTooLarge";

/** The code of a failure: no attempt was made, because there are no credentials. */
export const noCredentials = "NoCredentials";

/** The code of a failure: the time of an attempt was over. */
export const unanswered = "Unanswered";

/** The code of a failure: the multipart upload was completed or aborted. */
export const noSuchUpload = "NoSuchUpload";

/** Codes of stores that have no room, with other statuses than 507. */
const fullCodes = new Set(["QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"]);

/**
 * Codes of failures that may pass: the store's own, and those that end when new credentials have been fetched, or when the clock
 * has been set.
 */
const passingCodes = new Set([
  "ExpiredToken",
  "InternalError",
  "RequestTimeout",
  "RequestTimeTooSkewed",
  "ServiceUnavailable",
  "SlowDown",
]);

/** Whether the same request may succeed later, by the store's code. */
export function passesLater(code: string): boolean {
  return passingCodes.has(code);
}

/** Whether the store has no room for what was sent. */
export function isFull(error: unknown): boolean {
  return error instanceof S3Failure && (error.status === 507 || fullCodes.has(error.code));
}

/** The failure of a request that is not sent, because the store has no room for pushes. */
export function storeFull(): S3Failure {
  return new S3Failure("the store is full", { status: 507 });
}

/** Resolves a read that failed because the object is too large with `undefined`. */
export function ifTooLarge(error: unknown): undefined {
  if (!(error instanceof S3Failure) || error.code !== answerTooLarge) throw error;
}

type FailureKind = Extract<
  ErrorKind,
  "name-invalid" | "upload-unknown" | "storage-full" | "storage-failed" | "storage-unavailable"
>;

/** Clients see these. What the store says may name accounts and buckets, and is logged as the cause. */
const messages: Readonly<Record<FailureKind, string>> = {
  "name-invalid": "the registry's storage does not accept a name of this length",
  "upload-unknown": "the upload has ended, perhaps at another node: look for the blob, or begin again",
  "storage-full": "the registry's storage is full: its operator must free space, then you can try again",
  "storage-failed": "the registry's storage failed",
  "storage-unavailable": "the registry's storage is unavailable, try again in a moment",
};

/** Returns the port's error for a failure of the store, and any other error unchanged. */
export function portError(error: unknown): unknown {
  if (!(error instanceof S3Failure)) return error;
  const kind = kindOf(error);
  return new RegistryError(kind, messages[kind], undefined, { cause: error });
}

function kindOf(failure: S3Failure): FailureKind {
  const { code, mayPass } = failure;
  if (isFull(failure)) return "storage-full";
  // Another node has completed its data, and was killed before the record of the upload was removed, or has aborted it.
  if (code === noSuchUpload) return "upload-unknown";
  // Stores on a file system limit each component of a key, and a repository's name is one.
  if (code === "KeyTooLongError") return "name-invalid";
  return mayPass ? "storage-unavailable" : "storage-failed";
}

/** Runs `work`, and rejects with the port's error if the store fails. */
export async function onStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw portError(error);
  }
}

/** Wraps a store so that its methods reject with the port's errors. */
export function withPortErrors<T extends object>(store: T): T {
  return withErrors(store, portError);
}

/** Returns the error for a change that others have overtaken again and again. */
export function overtaken(what: string): S3Failure {
  return new S3Failure(`${what} changed during each attempt`, { mayPass: true });
}
