/**
 * Renders something before the first page, while the template library cannot find Node's `AsyncLocalStorage`, for which it
 * looks only once. The library would run every page in one, so that components can await; ours do not. On Node 20, the
 * first such run makes every promise of the process call hooks, for good: requests to the API would pay for a page that
 * somebody has looked at.
 */

/** Where the library looks. */
const places = ["getBuiltinModule", "mainModule"] as const;

export function renderFirst(): void {
  const found = places.map((name) => Object.getOwnPropertyDescriptor(process, name));
  try {
    for (const [index, name] of places.entries())
      if (found[index] !== undefined)
        Object.defineProperty(process, name, { configurable: true, value: undefined });
    (<p />).toString();
  } finally {
    for (const [index, name] of places.entries()) {
      const descriptor = found[index];
      if (descriptor !== undefined) Object.defineProperty(process, name, descriptor);
    }
  }
}
