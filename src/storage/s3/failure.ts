/** Failures of the store behind the driver, and the port's errors for them. */
import { RegistryError } from "../../domain/errors.js";

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

/** Returns the port's error for a failure of the store, and any other error unchanged. */
export function portError(error: unknown): unknown {
  if (!(error instanceof S3Failure)) return error;
  const { status, code, message, mayPass } = error;
  const isFull = status === 507 || code === "QuotaExceeded" || code === "XMinioStorageFull";
  const kind = isFull ? "storage-full" : mayPass ? "storage-unavailable" : "storage-failed";
  return new RegistryError(kind, message, undefined, { cause: error });
}

/** Runs `work`, and rejects with the port's error if the store fails. */
export async function onStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw portError(error);
  }
}
