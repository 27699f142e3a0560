/** The catalog of repositories (Docker's Registry HTTP API V2, `/v2/_catalog`). */
import type { CatalogPermit, Visible } from "../auth/gate.js";
import { firstOf, type Page } from "../domain/page.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/** Returns up to `n` repositories after `last` that the caller may pull from, in ASCII order. */
export function listRepositories(
  services: Services,
  { shown }: CatalogPermit,
  n: number,
  last: string,
  signal: AbortSignal,
): Promise<Page<RepositoryName>> {
  if (n === 0) return Promise.resolve({ items: [] });
  // One extra name shows whether there is another page.
  const names = services.storage.repositories.list(last, n + 1);
  return firstOf(shownOf(names, shown, signal), (items) => items.length < n, signal);
}

async function* shownOf(
  names: AsyncIterable<RepositoryName>,
  shown: Visible,
  signal: AbortSignal,
): AsyncIterable<RepositoryName> {
  for await (const name of names) {
    // This loop is long for a caller who may see only a few of many repositories.
    signal.throwIfAborted();
    if (shown.has(name)) yield name;
  }
}
