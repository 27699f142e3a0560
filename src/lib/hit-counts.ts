/** Counts hits and misses of a cache. */

export class HitCounts {
  hits = 0;
  misses = 0;

  /** Counts a hit, or a miss if `found` is undefined. Returns `found`. */
  note<V>(found: V | undefined): V | undefined {
    if (found === undefined) this.misses++;
    else this.hits++;
    return found;
  }
}
