/** Reads the repositories in the storage directory of CNCF distribution. Never writes to it. */
import { join } from "node:path";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import { entriesOf, isFolder } from "../files.js";
import { type OnStray, type Source, SourceError } from "../source.js";
import { DistributionRepository } from "./repository.js";

const registryFolder = "docker/registry/v2";

export interface DistributionOptions {
  readonly path: string;
  /** Whether a repository is to be imported. */
  readonly wants: (name: RepositoryName) => boolean;
  readonly onStray: OnStray;
}

/** Opens a directory: the one that distribution calls its root directory, or `docker/registry/v2` itself. */
export async function openDistribution({ path, wants, onStray }: DistributionOptions): Promise<Source> {
  for (const root of [join(path, registryFolder), path]) {
    if (await isFolder(join(root, "repositories"))) return new DistributionStore(root, wants, onStray);
  }
  throw new SourceError(`there is no ${registryFolder}/repositories in ${path}`);
}

class DistributionStore implements Source {
  constructor(
    readonly root: string,
    readonly wants: DistributionOptions["wants"],
    readonly onStray: OnStray,
  ) {}

  async *repositories(): ReturnType<Source["repositories"]> {
    for await (const { name, folder } of this.#below(`${this.root}/repositories`, "")) {
      if (!this.wants(name)) continue;
      const repository = new DistributionRepository(this.root, name, folder, this.onStray);
      yield { repository, roots: await repository.roots() };
    }
  }

  async *#below(folder: string, prefix: string): AsyncIterable<{ name: RepositoryName; folder: string }> {
    const entries = await entriesOf(folder);
    if (entries.some(({ name }) => name === "_manifests" || name === "_layers")) {
      if (isRepositoryName(prefix)) yield { name: prefix, folder };
      else this.onStray(folder, "not a valid repository name");
    }
    const names = entries.filter((entry) => !entry.name.startsWith("_") && entry.isDirectory());
    for (const { name } of names.sort((a, b) => (a.name < b.name ? -1 : 1)))
      yield* this.#below(`${folder}/${name}`, prefix === "" ? name : `${prefix}/${name}`);
  }

  async close(): Promise<void> {}
}
