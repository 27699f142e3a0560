/** Work on many things, a bounded number of them at a time. */

/** Runs `work` on everything that `source` gives. Rejects with the first failure; nothing is begun after it. */
export async function inParallel<T>(
  source: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
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
  await Promise.all(Array.from({ length: limit }, runner));
}

/** A generator queues those who ask at the same time. */
async function* drain<T>(source: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T, void> {
  yield* source;
}
