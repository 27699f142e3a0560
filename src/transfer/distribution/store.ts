/** Reads the repositories in the storage directory of CNCF distribution, on a disk or in a bucket. Never writes to it. */
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import { type OnStray, type Source, SourceError } from "../source.js";
import type { SourceTree } from "../tree.js";
import { within } from "./layout.js";
import { DistributionRepository } from "./repository.js";

const registryFolder = "docker/registry/v2";

export interface DistributionOptions {
  /** Closed with the source. */
  readonly tree: SourceTree;
  /** Whether a repository is to be imported. */
  readonly wants: (name: RepositoryName) => boolean;
  readonly onStray: OnStray;
}

/** Opens a directory: the one that distribution calls its root directory, or `docker/registry/v2` itself. */
export async function openDistribution({ tree, wants, onStray }: DistributionOptions): Promise<Source> {
  try {
    for (const root of [within(tree.base, registryFolder), tree.base])
      if (await tree.isFolder(within(root, "repositories")))
        return new DistributionStore(tree, root, wants, onStray);
    throw new SourceError(`there is no ${registryFolder}/repositories in ${tree.place}`);
  } catch (error) {
    await tree.close();
    throw error;
  }
}

class DistributionStore implements Source {
  constructor(
    readonly tree: SourceTree,
    readonly root: string,
    readonly wants: DistributionOptions["wants"],
    readonly onStray: OnStray,
  ) {}

  async *repositories(): ReturnType<Source["repositories"]> {
    for await (const { name, folder } of this.#below(within(this.root, "repositories"), "")) {
      if (!this.wants(name)) continue;
      const repository = new DistributionRepository(this.tree, this.root, name, folder, this.onStray);
      yield { repository, roots: await repository.roots() };
    }
  }

  async *#below(folder: string, prefix: string): AsyncIterable<{ name: RepositoryName; folder: string }> {
    const entries = await this.tree.entries(folder);
    if (entries.some(({ name }) => name === "_manifests" || name === "_layers")) {
      if (isRepositoryName(prefix)) yield { name: prefix, folder };
      else this.onStray(folder, "not a valid repository name");
    }
    const names = entries.filter((entry) => !entry.name.startsWith("_") && entry.isFolder);
    for (const { name } of names.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
      yield* this.#below(`${folder}/${name}`, prefix === "" ? name : `${prefix}/${name}`);
  }

  close(): Promise<void> {
    return this.tree.close();
  }
}
