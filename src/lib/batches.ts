/** Lists in pieces. */

/** Up to `size` at a time, in their order. */
export function* batchesOf<T>(items: readonly T[], size: number): Iterable<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
