/** Converts system errors to the errors that the storage port promises. */
import { RegistryError } from "../domain/errors.js";

const full = new Set(["ENOSPC", "EDQUOT"]);

/** Whether the system has no room, by its error code. */
export function isFull(code: string | undefined): boolean {
  return full.has(code ?? "");
}

/** `code` is the system's, such as `EIO`. `cause` is logged, never sent to a client. */
export function storageFailure(code: string, cause: unknown): RegistryError {
  if (isFull(code))
    return new RegistryError(
      "storage-full",
      "the registry's storage is full: its operator must free space, then you can try again",
      undefined,
      { cause },
    );
  if (code === "EROFS")
    return new RegistryError("storage-read-only", "the registry's storage is read-only", undefined, {
      cause,
    });
  return new RegistryError("storage-failed", "the registry's storage failed", undefined, { cause });
}
