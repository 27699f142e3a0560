/**
 * The closed set of expected errors, as typed values. Thrown anywhere, and rendered for clients in one place
 * (`http/errors`), where each kind gets its status and the specification's code.
 */
import { describeError } from "../lib/describe-error.js";
import type { SessionId } from "./session-id.js";

export type ErrorKind =
  | "blob-unknown"
  | "upload-invalid"
  | "upload-unknown"
  | "upload-busy"
  | "range-not-satisfiable"
  | "chunk-out-of-order"
  | "digest-invalid"
  | "digest-unsupported"
  | "digest-mismatch"
  | "manifest-blob-unknown"
  | "manifest-invalid"
  | "manifest-unknown"
  | "manifest-too-large"
  | "tag-invalid"
  | "name-invalid"
  | "name-unknown"
  | "size-invalid"
  | "request-invalid"
  | "page-invalid"
  | "uri-too-long"
  | "headers-too-large"
  | "path-unknown"
  | "method-not-allowed"
  | "delete-disabled"
  | "robot-exists"
  | "robot-unknown"
  | "precondition-failed"
  | "unauthorized"
  | "insufficient-scope"
  | "denied"
  | "too-many-requests"
  | "storage-full"
  | "storage-read-only"
  | "storage-failed"
  | "storage-unavailable"
  | "cluster-unavailable"
  | "audit-unwritable"
  | "upstream-failed"
  | "upstream-timeout"
  | "shutting-down";

/** An expected failure: the caller did something that the registry refuses, or a resource is exhausted. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";

  constructor(
    readonly kind: ErrorKind,
    message: string,
    /** Arbitrary JSON that helps the client to resolve the issue. */
    readonly detail?: unknown,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The limited resources. */
export const limitNames = [
  "requests",
  "uploads",
  "forms",
  "pages",
  "memory",
  "sessions",
  "logins",
  "streams",
] as const;
export type LimitName = (typeof limitNames)[number];

/** The caller, or all callers together, exceed a limit at the moment. */
export class TooManyRequests extends RegistryError {
  constructor(
    readonly limit: LimitName,
    message: string,
    /** Delay for `Retry-After`. */
    readonly retryAfterSeconds: number,
  ) {
    super("too-many-requests", message);
  }
}

/** The range selects no byte; the size tells the client which bytes exist. */
export class RangeNotSatisfiable extends RegistryError {
  constructor(readonly size: number) {
    super("range-not-satisfiable", "the blob has no such bytes", { size });
  }
}

/** The chunk is not the next of its upload; the received size tells the client how to resume. */
export class ChunkOutOfOrder extends RegistryError {
  constructor(
    readonly session: { readonly id: SessionId; readonly received: number },
    contentRange: string,
  ) {
    super("chunk-out-of-order", `the next chunk begins at byte ${session.received}`, { contentRange });
  }
}

/** Several errors of one kind at once: a manifest may name several absent blobs, and each gets its own entry. */
export class RegistryErrors extends Error {
  override readonly name = "RegistryErrors";

  constructor(readonly errors: readonly [RegistryError, ...RegistryError[]]) {
    super(errors.map((error) => error.message).join("; "));
  }
}

/** Bodies pass through memory within milliseconds. */
const memoryRetrySeconds = 1;

/** Returns the error for a body that exceeds the memory left to its client. */
export function memoryUsedUp(): TooManyRequests {
  const message = "the memory for request bodies is used up, try again in a moment";
  return new TooManyRequests("memory", message, memoryRetrySeconds);
}

/** Returns the error for a response that exceeds the memory left to its client, which does not read others. */
export function responseMemoryUsedUp(): TooManyRequests {
  const message = "the memory for responses is used up, try again in a moment";
  return new TooManyRequests("memory", message, memoryRetrySeconds);
}

/**
 * Returns whether `operation` succeeded. Passes an expected failure to `onFailure`, and rejects with any other. So a storage
 * error with one object does not stop the work on others.
 */
export async function attempt(
  operation: () => Promise<unknown>,
  onFailure: (why: string) => void,
): Promise<boolean> {
  try {
    await operation();
    return true;
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    onFailure(describeError(error));
    return false;
  }
}
