/** What the web pages show of repositories and tags. Opened only if pages are served: each part reads what it needs, when it is asked. */
import { Slices } from "../lib/slices.js";
import type { Services } from "../registry/services.js";
import { CatalogCopy } from "./catalog-copy.js";
import { RepositoryIndex } from "./repository-index.js";

export class Browse {
  readonly repositories: RepositoryIndex;
  readonly #catalog: CatalogCopy;

  constructor({ storage, cluster, onBackgroundError }: Services) {
    const slices = new Slices();
    this.#catalog = new CatalogCopy(storage, cluster.changes, { onError: onBackgroundError });
    this.repositories = new RepositoryIndex(this.#catalog, slices);
  }

  /** Begins to read what the first page needs. */
  begin(): void {
    void this.#catalog.refresh();
  }

  /** Ends work in the background. */
  async close(): Promise<void> {
    this.repositories.close();
    await this.#catalog.close();
  }
}
