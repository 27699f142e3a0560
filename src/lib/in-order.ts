/**
 * Yields the results of `work` for the items of `source`, in their order. While the consumer works on one, up to `limit` later
 * ones are under way. A consumer that stops early leaves these to end on their own: `work` must only read.
 */
export async function* inOrder<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void> {
  const running: Promise<R>[] = [];
  for await (const item of source) {
    const begun = work(item);
    // The failure is thrown when its turn has come.
    begun.catch(() => {});
    running.push(begun);
    if (running.length < limit) continue;
    yield await (running.shift() as Promise<R>);
  }
  for (const begun of running) yield await begun;
}

/** Like `inOrder`, without the results that are `undefined`. */
export async function* foundInOrder<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R | undefined>,
): AsyncGenerator<R, void> {
  for await (const result of inOrder(source, limit, work)) if (result !== undefined) yield result;
}
