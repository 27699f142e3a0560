/** Logs requests that failed by the server's fault. Part of the composition root. */
import type { Logger } from "pino";
import { RegistryError } from "../domain/errors.js";
import type { FailureOptions } from "../http/failures.js";

/** A full storage refuses all pushes, for a long time perhaps. */
const fullEveryMilliseconds = 60_000;

/** `now` returns milliseconds; tests replace it. */
export function requestFailures(
  log: Logger,
  now: () => number = () => performance.now(),
): FailureOptions["onUnexpectedError"] {
  let fullAgainAt = 0;
  return (error, exchange) => {
    const { id, method, path, trace } = exchange ?? {};
    const record = { err: error, id, method, path, trace_id: trace?.id };
    if (!(error instanceof RegistryError && error.kind === "storage-full")) {
      log.error(record, "request failed");
      return;
    }
    if (now() < fullAgainAt) return;
    fullAgainAt = now() + fullEveryMilliseconds;
    log.warn(record, "the storage is full: requests that need space get 507 (logged once in a minute)");
  };
}
