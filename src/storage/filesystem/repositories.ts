/** The catalog: repositories in ASCII order of their whole names, read a folder at a time as they are asked for. */
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { isDigest } from "../../domain/digest.js";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import type { RepositoryStore } from "../storage.js";
import { errorCode } from "./files.js";
import { componentOf, type Layout } from "./layout.js";
import type { Oddities } from "./oddities.js";

export class FileRepositories implements RepositoryStore {
  constructor(
    readonly layout: Layout,
    readonly oddities: Oddities,
  ) {}

  list(after = ""): AsyncIterable<RepositoryName> {
    return this.#below(this.layout.manifestsRoot, "", after);
  }

  async *all(): AsyncIterable<RepositoryName> {
    yield* this.list();
    for await (const name of this.#withBlobs(this.layout.blobsRoot, "")) {
      if (!(await this.#isRepository(this.layout.manifests(name)))) yield name;
    }
  }

  /**
   * In a folder `c`, both the repository `c` itself and all those below it, `c/…`, have their place among
   * the siblings: `c` < `c-x` < `c/y` < `c0`. So each sibling is entered twice, as `c` and as `c/`, and
   * sorting these gives the order of the whole names. What lies wholly before `after` is never read.
   */
  async *#below(folder: string, prefix: string, after: string): AsyncIterable<RepositoryName> {
    const places = (await this.#entries(folder))
      .filter((entry) => entry.isDirectory())
      .flatMap((entry) => {
        const component = componentOf(entry.name);
        const child = `${folder}/${entry.name}`;
        return component === undefined
          ? []
          : [
              { key: `${prefix}${component}`, child },
              { key: `${prefix}${component}/`, child },
            ];
      })
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    for (const { key, child } of places) {
      if (key.endsWith("/")) {
        if (key > after || after.startsWith(key)) yield* this.#below(child, key, after);
      } else if (key > after && (await this.#isRepository(child))) {
        if (isRepositoryName(key)) yield key;
      }
    }
  }

  /** The folders below `folder` that hold blobs. */
  async *#withBlobs(folder: string, prefix: string): AsyncIterable<RepositoryName> {
    const entries = await this.#entries(folder);
    if (isRepositoryName(prefix) && entries.some((entry) => isDigest(entry.name))) yield prefix;
    for (const entry of entries) {
      const component = entry.isDirectory() ? componentOf(entry.name) : undefined;
      if (component !== undefined)
        yield* this.#withBlobs(
          `${folder}/${entry.name}`,
          prefix === "" ? component : `${prefix}/${component}`,
        );
    }
  }

  async #isRepository(folder: string): Promise<boolean> {
    return (await this.#ifAllowed(folder, stat(`${folder}/tags`))) !== undefined;
  }

  async #entries(folder: string): Promise<Dirent[]> {
    return (await this.#ifAllowed(folder, readdir(folder, { withFileTypes: true }))) ?? [];
  }

  /** A folder that may not be read must not hide the repositories that may. */
  async #ifAllowed<T>(folder: string, operation: Promise<T>): Promise<T | undefined> {
    try {
      return await this.oddities.passOver(folder, operation);
    } catch (error) {
      if (errorCode(error) !== "EACCES" && errorCode(error) !== "EPERM") throw error;
      this.oddities.name(folder, "may not be read");
      return undefined;
    }
  }
}
