/** Scheduling priority of a single thread. */
import { readlinkSync } from "node:fs";
import { constants, getPriority, setPriority } from "node:os";
import { basename } from "node:path";

/** Nice 10: a tenth of the share of a thread at nice 0 that wants the same core (110 of 1,024, sched(7)). */
const niceSteps = constants.priority.PRIORITY_BELOW_NORMAL;

/**
 * Lowers the priority of the calling thread. Linux has one per thread and names the calling one by a link such as
 * `4711/task/4712`. Does nothing on other systems, or if the call is not permitted.
 */
export function lowerPriority(): void {
  try {
    const thread = Number(basename(readlinkSync("/proc/thread-self")));
    setPriority(thread, Math.min(getPriority(thread) + niceSteps, constants.priority.PRIORITY_LOW));
  } catch {
    // Only costs other threads some speed.
  }
}
