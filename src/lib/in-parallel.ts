/**
 * Runs `work` for each item of `source`, a bounded number at a time. After a failure it starts no more, waits for what is
 * running and rejects.
 */
export async function inParallel<T>(
  source: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const items = drain(source);
  let failed = false;
  const runner = async (): Promise<void> => {
    for (;;) {
      const next = failed ? undefined : await items.next();
      if (next === undefined || next.done === true) return;
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await allEnded(Array.from({ length: limit }, runner));
}

/**
 * Like `Promise.all`, but settles only when every promise has settled: a caller that holds a lock for them must not release
 * it while one still works.
 */
export async function allEnded(works: readonly Promise<unknown>[]): Promise<void> {
  const failure = (await Promise.allSettled(works)).find(({ status }) => status === "rejected");
  if (failure?.status === "rejected") throw failure.reason;
}

/** Serializes calls of `next`. */
async function* drain<T>(source: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T, void> {
  yield* source;
}
