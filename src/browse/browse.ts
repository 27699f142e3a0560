/** What the web pages show of repositories and tags. Opened only if pages are served: each part reads what it needs, when it is asked. */
import { Slices } from "../lib/slices.js";
import type { Services } from "../registry/services.js";
import { CatalogCopy } from "./catalog-copy.js";
import { ContentReader } from "./content/content-reader.js";
import { DeletionPreviews } from "./deletion-previews.js";
import { ManifestGraphs } from "./graph/manifest-graphs.js";
import { Relations } from "./graph/relations.js";
import { ImageFactsIndex } from "./image-facts.js";
import { RepositoryIndex } from "./repository-index.js";
import { RepositorySummaries } from "./repository-summaries.js";
import { TagHistories } from "./tag-histories.js";
import { TagIndex } from "./tag-index.js";
import { TagTables } from "./tag-tables.js";

export interface BrowseOptions {
  /** Seconds for which garbage collection keeps a manifest without a tag; `undefined` for ever. */
  readonly untaggedSeconds: number | undefined;
}

export class Browse {
  readonly repositories: RepositoryIndex;
  readonly summaries: RepositorySummaries;
  readonly tags: TagIndex;
  readonly images: ImageFactsIndex;
  readonly content: ContentReader;
  readonly deletions: DeletionPreviews;
  readonly relations: Relations;
  readonly histories: TagHistories;
  readonly #tables: TagTables;
  readonly #catalog: CatalogCopy;
  readonly #graphs: ManifestGraphs;

  constructor(services: Services, { untaggedSeconds }: BrowseOptions) {
    const { storage, cluster, onBackgroundError: onError } = services;
    const slices = new Slices();
    this.#catalog = new CatalogCopy(storage, cluster.changes, { onError });
    this.repositories = new RepositoryIndex(this.#catalog, slices);
    this.summaries = new RepositorySummaries(services, cluster.changes, { onError });
    this.#tables = new TagTables(storage.tags, cluster.changes, { slices, onError });
    this.images = new ImageFactsIndex(services, cluster.changes, onError);
    this.deletions = new DeletionPreviews(services, untaggedSeconds);
    this.tags = new TagIndex(services, this.#tables, slices);
    this.#graphs = new ManifestGraphs(services, cluster.changes, { slices, onError });
    this.histories = new TagHistories(services, cluster.changes);
    this.content = new ContentReader(services);
    this.relations = new Relations(services, this.#graphs, this.content, { untaggedSeconds });
  }

  /** Ends work in the background. */
  async close(): Promise<void> {
    this.repositories.close();
    this.deletions.close();
    this.histories.close();
    await Promise.all([
      this.#catalog.close(),
      this.summaries.close(),
      this.#tables.close(),
      this.images.close(),
      this.#graphs.close(),
      this.content.close(),
    ]);
  }
}
