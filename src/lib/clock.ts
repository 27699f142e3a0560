/** A clock that all threads of the process share. `performance.now()` starts at zero in each thread. */

/** Cached: reading it costs as much as reading the time. */
const { timeOrigin } = performance;

/** Returns milliseconds since the epoch, with fractions. Monotonic. */
export function now(): number {
  return timeOrigin + performance.now();
}

/** Converts a value of this thread's `performance.now()` to this clock. */
export function byClock(performanceNow: number): number {
  return timeOrigin + performanceNow;
}
