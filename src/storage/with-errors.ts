/** Wraps a store so that its methods reject with what `translate` makes of their errors. */
export function withErrors<T extends object>(store: T, translate: (error: unknown) => unknown): T {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]) => {
        const result: unknown = Reflect.apply(value, target, parameters);
        if (result instanceof Promise)
          return result.catch((error: unknown) => Promise.reject(translate(error)));
        return isAsyncIterable(result) ? translated(result, translate) : result;
      };
    },
  });
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/** Not a generator, because its steps would add some microseconds for each of perhaps 100,000 items. */
function translated(
  source: AsyncIterable<unknown>,
  translate: (error: unknown) => unknown,
): AsyncIterable<unknown> {
  const rethrow = (error: unknown) => Promise.reject(translate(error));
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = source[Symbol.asyncIterator]();
      return {
        next: () => iterator.next().catch(rethrow),
        return: async () => (await iterator.return?.().catch(rethrow)) ?? { done: true, value: undefined },
      };
    },
  };
}
