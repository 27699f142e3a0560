/** Pages of sorted lists. */

export interface Page<T> {
  readonly items: readonly T[];
  /** The next page starts after this item; absent on the last page. */
  readonly next?: T;
}

/** Items from index `start` to before `end`. */
export interface Span<T> {
  readonly start: number;
  readonly end: number;
  /** The next page starts after this item; absent on the last page. */
  readonly next?: T;
}

/** Returns the place of up to `n` items after `last`. If `n` is zero, there are none and no next page. */
export function spanOf<T extends string>(sorted: readonly T[], n: number, last: string): Span<T> {
  const place = last === "" ? 0 : placeOf(sorted, last);
  const start = last !== "" && sorted[place] === last ? place + 1 : place;
  const end = Math.min(sorted.length, start + n);
  const next = sorted[end - 1];
  return end > start && end < sorted.length && next !== undefined ? { start, end, next } : { start, end };
}

/** Returns a page of the first items of `source`. Rejects with the signal's reason if the client has disconnected. */
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

/** Returns the index of `item`, or where to insert it, in a list sorted by UTF-16 code units. */
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
