/** Pages of sorted lists. */

export interface Page<T> {
  readonly items: readonly T[];
  /** What the next page begins behind; absent where this is the last. */
  readonly next?: T;
}

/** Up to `n` items behind `last`. None where `n` is zero, and then no next page either. */
export function pageOf<T extends string>(sorted: readonly T[], n: number, last: string): Page<T> {
  const place = last === "" ? 0 : placeOf(sorted, last);
  const start = last !== "" && sorted[place] === last ? place + 1 : place;
  const items = sorted.slice(start, start + n);
  const next = items.at(-1);
  return next !== undefined && start + n < sorted.length ? { items, next } : { items };
}

/** The page that the first of `source` make. Rejects with the signal's reason where nobody waits for it any more. */
export async function firstOf<T>(
  source: AsyncIterable<T>,
  fits: (items: readonly T[], item: T) => boolean,
  signal: AbortSignal,
): Promise<Page<T>> {
  const items: T[] = [];
  for await (const item of source) {
    signal.throwIfAborted();
    if (!fits(items, item)) {
      const next = items.at(-1);
      return next === undefined ? { items } : { items, next };
    }
    items.push(item);
  }
  return { items };
}

/** Where `item` is, or would be inserted, in a list sorted by UTF-16 code units. */
export function placeOf(sorted: readonly string[], item: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? "") < item) low = middle + 1;
    else high = middle;
  }
  return low;
}
