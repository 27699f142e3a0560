/** The catalog: repositories in ASCII order of their whole names, read a folder at a time as they are asked for. */
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { isDigest } from "../../domain/digest.js";
import { aheadOf } from "../../domain/in-parallel.js";
import { placeOf } from "../../domain/page.js";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import type { RepositoryStore } from "../storage.js";
import { CatalogFolders } from "./catalog-folders.js";
import { errorCode, ifThere } from "./files.js";
import { componentOf, folderOf, type Layout } from "./layout.js";
import type { Oddities } from "./oddities.js";

/** What there is of a component. */
interface Look {
  readonly child: string;
  readonly isRepository: boolean;
  readonly mayHaveBelow: boolean;
}

/** Places that are looked at before the catalog has come to them. */
const looksAhead = 16;
/** A folder's name, its `.`, and the subfolder's `..`. */
const linksWithOneFolder = 3;

export class FileRepositories implements RepositoryStore {
  readonly #folders = new CatalogFolders((folder) => this.#entries(folder));

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

  /** What lies wholly before `after` is never looked at. */
  async *#below(folder: string, prefix: string, after: string): AsyncIterable<RepositoryName> {
    const places = await this.#folders.places(folder);
    const rest = after.startsWith(prefix) ? after.slice(prefix.length) : "";
    const first = placeOf(places, rest.slice(0, rest.indexOf("/") + 1) || rest);
    /** From the one of its two places to the other. */
    const looked = new Map<string, Promise<Look>>();
    const looks = aheadOf(places.slice(first), looksAhead, async (place) => {
      const below = place.endsWith("/");
      const component = below ? place.slice(0, -1) : place;
      const look = looked.get(component) ?? this.#look(`${folder}/${folderOf(component)}`);
      if (below) looked.delete(component);
      else looked.set(component, look);
      return { place, ...(await look) };
    });
    for await (const { place, child, isRepository, mayHaveBelow } of looks) {
      const key = `${prefix}${place}`;
      if (place.endsWith("/")) {
        if (mayHaveBelow) yield* this.#below(child, key, after);
      } else if (isRepository && key > after && isRepositoryName(key)) yield key;
    }
  }

  /**
   * Where the file system counts a folder's subfolders among its links, there being `tags` and no other is told
   * without reading what may be 100,000 manifests.
   */
  async #look(child: string): Promise<Look> {
    const [isRepository, status] = await Promise.all([this.#isRepository(child), ifThere(stat(child))]);
    return { child, isRepository, mayHaveBelow: !isRepository || status?.nlink !== linksWithOneFolder };
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
