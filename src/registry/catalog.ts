/** The catalog of repositories (Docker's Registry HTTP API V2, `/v2/_catalog`). */
import { firstOf, type Page } from "../domain/page.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/** Up to `n` repositories behind `last`, in ASCII order. */
export function listRepositories(services: Services, n: number, last: string): Promise<Page<RepositoryName>> {
  if (n === 0) return Promise.resolve({ items: [] });
  return firstOf(services.storage.repositories.list(last), (items) => items.length < n);
}
