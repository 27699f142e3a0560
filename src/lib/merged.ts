/** A text, and the numbers of the sources that have it. */
export interface Merged<T extends string> {
  readonly item: T;
  readonly sources: ReadonlySet<number>;
}

/** Merges sources whose texts are in ASCII order, each text once. Lazy: reads one item of each source ahead. */
export async function* merged<T extends string>(
  sources: readonly AsyncIterable<T>[],
): AsyncGenerator<Merged<T>, void> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
    for (;;) {
      const items = heads.flatMap(({ done, value }) => (done === true ? [] : [value as T]));
      if (items.length === 0) return;
      const item = items.reduce((least, other) => (other < least ? other : least));
      const having = heads.flatMap(({ done, value }, index) =>
        done !== true && value === item ? [index] : [],
      );
      yield { item, sources: new Set(having) };
      await Promise.all(
        having.map(async (index) => {
          const next = await iterators[index]?.next();
          if (next !== undefined) heads[index] = next;
        }),
      );
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}
