/** Converts system errors to the errors that the storage port promises, in one place. */
import { RegistryError } from "../../domain/errors.js";
import { storageFailure } from "../errors.js";
import { errorCode } from "./files.js";

/** Returns the port's error for a system error. */
export function storageError(error: unknown): unknown {
  const code = errorCode(error);
  return code === undefined || error instanceof RegistryError ? error : storageFailure(code, error);
}

/** Wraps a store so that its methods reject with the port's errors. */
export function withStorageErrors<T extends object>(store: T): T {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]) => {
        const result: unknown = Reflect.apply(value, target, parameters);
        if (result instanceof Promise)
          return result.catch((error: unknown) => Promise.reject(storageError(error)));
        return isAsyncIterable(result) ? translated(result) : result;
      };
    },
  });
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

async function* translated(source: AsyncIterable<unknown>): AsyncIterable<unknown> {
  try {
    yield* source;
  } catch (error) {
    throw storageError(error);
  }
}
