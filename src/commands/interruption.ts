/** How reports say that their command did not run to the end. */
import { describeError } from "../lib/describe-error.js";

/** Returns what follows the totals of a report: nothing if the command ran to the end. */
export function untilInterrupted(complete: boolean, signal: AbortSignal): string {
  if (complete) return "";
  const why = signal.aborted ? ` (${describeError(signal.reason)})` : "";
  return ` until it was interrupted${why}; run it again`;
}
