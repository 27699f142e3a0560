/** How many entries an LRU keeps. */

/**
 * lru-cache's own `max` makes room for all entries when the cache is made, most of which are never there: for 100,000
 * that takes 8 ms and 2 MB, at each start (docs/decisions/0029). Bounded by size, with each of size 1, it grows.
 */
export function entriesMax(entries: number) {
  return { maxSize: entries, sizeCalculation: () => 1 } as const;
}
