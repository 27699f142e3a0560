/** What Prometheus is told of caches: how often each had what it was asked for. */
import type { HitCounts } from "../../lib/hit-counts.js";
import type { Instruments } from "./instruments.js";

export function measureCaches(instruments: Instruments, caches: Readonly<Record<string, HitCounts>>): void {
  const values = (of: (lookups: HitCounts) => number) => () =>
    Object.entries(caches).map(([cache, lookups]) => [cache, of(lookups)] as const);
  instruments.counters(
    "gantry_cache_hits_total",
    "Times that a cache had what was wanted",
    "cache",
    values(({ hits }) => hits),
  );
  instruments.counters(
    "gantry_cache_misses_total",
    "Times that it had to be read or found out",
    "cache",
    values(({ misses }) => misses),
  );
}
