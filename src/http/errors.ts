/** The only place that converts a typed error to a status and an error body ("Error Codes" in the specification). */
import { type ErrorKind, RegistryError, RegistryErrors } from "../domain/errors.js";

export interface RenderedError {
  readonly status: number;
  readonly body: string;
  /** The first error's, for a page. */
  readonly message: string;
  /** Whether the server caused the error, so that it belongs in the log. */
  readonly unexpected: boolean;
}

/**
 * `code` MUST be one of the specification's. For a 5xx, which the specification leaves open, it is `UNKNOWN`. The code for
 * pagination errors is CNCF distribution's.
 */
const rendering: Readonly<Record<ErrorKind, readonly [status: number, code: string]>> = {
  "blob-unknown": [404, "BLOB_UNKNOWN"],
  "upload-invalid": [400, "BLOB_UPLOAD_INVALID"],
  "upload-unknown": [404, "BLOB_UPLOAD_UNKNOWN"],
  "upload-busy": [409, "BLOB_UPLOAD_INVALID"],
  "range-not-satisfiable": [416, "SIZE_INVALID"],
  "chunk-out-of-order": [416, "BLOB_UPLOAD_INVALID"],
  "digest-invalid": [400, "DIGEST_INVALID"],
  "digest-unsupported": [400, "DIGEST_INVALID"],
  "digest-mismatch": [400, "DIGEST_INVALID"],
  "manifest-blob-unknown": [400, "MANIFEST_BLOB_UNKNOWN"],
  "manifest-invalid": [400, "MANIFEST_INVALID"],
  "manifest-unknown": [404, "MANIFEST_UNKNOWN"],
  "manifest-too-large": [413, "SIZE_INVALID"],
  "tag-invalid": [400, "MANIFEST_INVALID"],
  "name-invalid": [400, "NAME_INVALID"],
  "name-unknown": [404, "NAME_UNKNOWN"],
  "size-invalid": [400, "SIZE_INVALID"],
  "request-invalid": [400, "UNSUPPORTED"],
  "page-invalid": [400, "PAGINATION_NUMBER_INVALID"],
  "uri-too-long": [414, "UNSUPPORTED"],
  "headers-too-large": [431, "UNSUPPORTED"],
  "path-unknown": [404, "UNSUPPORTED"],
  "method-not-allowed": [405, "UNSUPPORTED"],
  "delete-disabled": [405, "UNSUPPORTED"],
  "robot-exists": [409, "UNSUPPORTED"],
  "robot-unknown": [404, "UNSUPPORTED"],
  // The specification has no code for it; immutable tags get the same one.
  "precondition-failed": [412, "DENIED"],
  unauthorized: [401, "UNAUTHORIZED"],
  "insufficient-scope": [401, "UNAUTHORIZED"],
  denied: [403, "DENIED"],
  "too-many-requests": [429, "TOOMANYREQUESTS"],
  "storage-full": [507, "UNKNOWN"],
  // As CNCF distribution answers in its read-only mode: Docker shows the message, and clients do not retry in vain.
  "storage-read-only": [405, "UNSUPPORTED"],
  "storage-failed": [500, "UNKNOWN"],
  "storage-unavailable": [503, "UNKNOWN"],
  "cluster-unavailable": [503, "UNKNOWN"],
  "audit-unwritable": [503, "UNKNOWN"],
  "upstream-failed": [502, "UNKNOWN"],
  "upstream-timeout": [504, "UNKNOWN"],
  "shutting-down": [503, "UNKNOWN"],
};

/** The log or the health checks already report the cause; a line for each request would add nothing. */
const reportedElsewhere: ReadonlySet<ErrorKind> = new Set([
  "audit-unwritable",
  "upstream-failed",
  "upstream-timeout",
]);

/** `accesses` is the detail of errors that ask for a login. */
export function renderError(error: unknown, accesses?: unknown): RenderedError {
  const errors =
    error instanceof RegistryErrors ? error.errors : error instanceof RegistryError ? [error] : undefined;
  if (errors === undefined) {
    const body = JSON.stringify({ errors: [{ code: "UNKNOWN", message: "internal error" }] });
    return { status: 500, body, message: "internal error", unexpected: true };
  }
  const [status] = rendering[errors[0].kind];
  const entries = errors.map(({ kind, message, detail }) => ({
    code: rendering[kind][1],
    message,
    ...((detail ?? accesses) !== undefined && { detail: detail ?? accesses }),
  }));
  const unexpected = status >= 500 && !reportedElsewhere.has(errors[0].kind);
  return { status, body: JSON.stringify({ errors: entries }), message: errors[0].message, unexpected };
}
