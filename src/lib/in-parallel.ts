/** Work on many things, a bounded number of them at a time. */

/**
 * Runs `work` on everything that `source` gives. Rejects with a failure when nothing runs any more; nothing is
 * begun after it.
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
 * Resolves when all have; rejects with a failure, but not before the others have ended too: whoever holds a
 * lock for them must not let go of it while one still works.
 */
export async function allEnded(works: readonly Promise<unknown>[]): Promise<void> {
  const failure = (await Promise.allSettled(works)).find(({ status }) => status === "rejected");
  if (failure?.status === "rejected") throw failure.reason;
}

/** A generator queues those who ask at the same time. */
async function* drain<T>(source: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T, void> {
  yield* source;
}
