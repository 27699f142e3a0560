/** The time by which all threads of the process agree: each one's `performance.now()` begins with itself. */

/** Kept, since to ask for it costs as much as the time itself. */
const { timeOrigin } = performance;

/** In milliseconds since the epoch, with fractions. Never goes back. */
export function now(): number {
  return timeOrigin + performance.now();
}

/** What this thread's `performance.now()` has told, by that clock. */
export function byClock(performanceNow: number): number {
  return timeOrigin + performanceNow;
}
