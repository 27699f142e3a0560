/** The catalog: repositories in ASCII order of their whole names, read a folder at a time as they are asked for. */
import { readdir, stat } from "node:fs/promises";
import { isDigest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { parseRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import type { RepositoryStore } from "../storage.js";
import { ifThere } from "./files.js";
import { componentOf, type Layout } from "./layout.js";

export class FileRepositories implements RepositoryStore {
  constructor(readonly layout: Layout) {}

  list(after = ""): AsyncIterable<RepositoryName> {
    return this.#below(this.layout.manifestsRoot, "", after);
  }

  async *all(): AsyncIterable<RepositoryName> {
    yield* this.list();
    for await (const name of withBlobs(this.layout.blobsRoot, "")) {
      if ((await ifThere(stat(this.layout.tags(name)))) === undefined) yield name;
    }
  }

  /**
   * In a folder `c`, both the repository `c` itself and all those below it, `c/…`, have their place among
   * the siblings: `c` < `c-x` < `c/y` < `c0`. So each sibling is entered twice, as `c` and as `c/`, and
   * sorting these gives the order of the whole names. What lies wholly before `after` is never read.
   */
  async *#below(folder: string, prefix: string, after: string): AsyncIterable<RepositoryName> {
    const entries = (await ifThere(readdir(folder, { withFileTypes: true }))) ?? [];
    const places = entries
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
      } else if (key > after && (await ifThere(stat(`${child}/tags`))) !== undefined) {
        const name = nameOf(key);
        if (name !== undefined) yield name;
      }
    }
  }
}

/** The folders below `folder` that hold blobs. */
async function* withBlobs(folder: string, prefix: string): AsyncIterable<RepositoryName> {
  const entries = (await ifThere(readdir(folder, { withFileTypes: true }))) ?? [];
  const name = entries.some((entry) => isDigest(entry.name)) ? nameOf(prefix) : undefined;
  if (name !== undefined) yield name;
  for (const entry of entries) {
    const component = entry.isDirectory() ? componentOf(entry.name) : undefined;
    if (component !== undefined)
      yield* withBlobs(`${folder}/${entry.name}`, prefix === "" ? component : `${prefix}/${component}`);
  }
}

/** A folder that no push could have made is passed over. */
function nameOf(text: string): RepositoryName | undefined {
  try {
    return parseRepositoryName(text);
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}
