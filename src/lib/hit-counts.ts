/** How often a cache had what it was asked for. */

export class HitCounts {
  hits = 0;
  misses = 0;

  /** Counts what was found, or that nothing was. */
  note<V>(found: V | undefined): V | undefined {
    if (found === undefined) this.misses++;
    else this.hits++;
    return found;
  }
}
