/** Metrics of caches: hits and misses. */
import type { HitCounts } from "../../lib/hit-counts.js";
import type { Instruments } from "./instruments.js";

export function measureCaches(instruments: Instruments, caches: Readonly<Record<string, HitCounts>>): void {
  const values = (of: (lookups: HitCounts) => number) => () =>
    Object.entries(caches).map(([cache, lookups]) => [cache, of(lookups)] as const);
  instruments.counters(
    "gantry_cache_hits_total",
    "Cache hits",
    "cache",
    values(({ hits }) => hits),
  );
  instruments.counters(
    "gantry_cache_misses_total",
    "Cache misses",
    "cache",
    values(({ misses }) => misses),
  );
}
