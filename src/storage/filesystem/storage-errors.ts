/** Converts system errors to the errors that the storage port promises, in one place. */
import { RegistryError } from "../../domain/errors.js";
import { storageFailure } from "../errors.js";
import { withErrors } from "../with-errors.js";
import { errorCode } from "./files.js";

/** Returns the port's error for a system error. */
export function storageError(error: unknown): unknown {
  const code = errorCode(error);
  return code === undefined || error instanceof RegistryError ? error : storageFailure(code, error);
}

/** Wraps a store so that its methods reject with the port's errors. */
export function withStorageErrors<T extends object>(store: T): T {
  return withErrors(store, storageError);
}
