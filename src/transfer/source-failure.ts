/** Tells the failures of a source that is read by a storage driver from those of the target, which end an import. */
import { RegistryError } from "../domain/errors.js";
import { SourceError } from "./source.js";

/**
 * Returns the source's error for one of a driver. One that may pass ends the import, which can be continued; any other
 * concerns one object.
 */
export function sourceFailure(error: unknown): unknown {
  if (error instanceof RegistryError) {
    if (error.kind === "storage-unavailable")
      return new Error("the source is unavailable; run the import again to continue", { cause: error.cause });
    return new SourceError("the source cannot be read", { cause: error.cause ?? error });
  }
  const isOfSystem = error instanceof Error && "code" in error && !(error instanceof SourceError);
  return isOfSystem ? new SourceError(error.message, { cause: error }) : error;
}
