/**
 * The closed set of what can go wrong, as typed values. Thrown anywhere, told to clients in one place
 * (`http/errors`), where each kind gets its status and its code of the specification.
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
  | "precondition-failed"
  | "unauthorized"
  | "insufficient-scope"
  | "denied"
  | "too-many-requests"
  | "storage-full"
  | "storage-read-only"
  | "storage-failed"
  | "cluster-unavailable"
  | "audit-unwritable"
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

/** What there is only so much of. */
export const limitNames = ["requests", "uploads", "forms", "memory", "sessions", "logins"] as const;
export type LimitName = (typeof limitNames)[number];

/** The caller, or all callers together, want more than there is for them now. */
export class TooManyRequests extends RegistryError {
  constructor(
    readonly limit: LimitName,
    message: string,
    /** When it is worth another try. */
    readonly retryAfterSeconds: number,
  ) {
    super("too-many-requests", message);
  }
}

/** No byte that is asked for is there; the size tells the client what is. */
export class RangeNotSatisfiable extends RegistryError {
  constructor(readonly size: number) {
    super("range-not-satisfiable", "the blob has no such bytes", { size });
  }
}

/** A chunk that is not the next of its upload; what the session has tells the client how to go on. */
export class ChunkOutOfOrder extends RegistryError {
  constructor(
    readonly session: { readonly id: SessionId; readonly received: number },
    contentRange: string,
  ) {
    super("chunk-out-of-order", `the next chunk begins at byte ${session.received}`, { contentRange });
  }
}

/** Several of one kind at once: a manifest may name more than one absent blob, and each gets its own entry. */
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
  return new TooManyRequests(
    "memory",
    "the memory for request bodies is used up, try again in a moment",
    memoryRetrySeconds,
  );
}

/**
 * Whether `operation` succeeded. Tells `onFailure` of an expected failure, and rejects with any other: what the storage
 * refuses of one thing keeps nothing from being done to the others.
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
