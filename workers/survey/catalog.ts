/** Lists repositories in ASCII order of their whole names, reading one directory at a time on demand. */
import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { LRUCache } from "lru-cache";
import { isDigest } from "../../src/domain/digest.js";
import { placeOf } from "../../src/domain/page.js";
import { isRepositoryName, type RepositoryName } from "../../src/domain/repository-name.js";
import { folderOf, type Layout } from "../../src/storage/filesystem/layout.js";
import type { CatalogPart, CatalogTask, FailedLook } from "../../src/storage/filesystem/survey-protocol.js";
import { CatalogFolders } from "./catalog-folders.js";
import { emptiness, firstEntry, hasNoFiles } from "./emptiness.js";

/** The kinds of objects found for a component. */
interface Look {
  readonly isRepository: boolean;
  readonly mayHaveBelow: boolean;
}

type LookAt = (child: string) => Look;
type Walk = Generator<RepositoryName, void>;

/** Links of a directory without subdirectories, on a file system that counts these: its name, and its `.`. */
const linksByItself = 2;
/** Plus the `..` of its subdirectory. */
const linksWithOneFolder = 3;

/** Maximum number of suspended walks. A caller of an evicted walk starts again after the last name. */
const walksMax = 4;

export class Catalog {
  readonly #folders = new CatalogFolders((folder) => this.#entries(folder));
  readonly #walks = new LRUCache<number, Walk>({ max: walksMax });
  /** Failures of the current part. */
  #failures: FailedLook[] = [];

  constructor(readonly layout: Layout) {}

  part({ of, after, namesMax, walk }: CatalogTask): CatalogPart {
    const kept = walk === undefined ? undefined : this.#walks.get(walk);
    const walking = kept ?? this.#walk(of, after);
    this.#failures = [];
    const names: RepositoryName[] = [];
    while (names.length < namesMax) {
      const { value: name } = walking.next();
      if (name === undefined) break;
      names.push(name);
    }
    const more = names.length === namesMax;
    if (walk !== undefined && more) this.#walks.set(walk, walking);
    else if (walk !== undefined) this.#walks.delete(walk);
    return { names, more, failures: this.#failures };
  }

  /** Call it if the walk will not be continued. */
  leave(walk: number): void {
    this.#walks.delete(walk);
  }

  #walk(of: CatalogTask["of"], after: string): Walk {
    const { manifestsRoot, blobsRoot } = this.layout;
    switch (of) {
      case "manifests":
        return this.#below((child) => this.#lookAtManifests(child), manifestsRoot, "", after);
      case "blobs":
        return this.#below((child) => this.#lookAtBlobs(child), blobsRoot, "", after);
      case "empty manifests":
        return this.#below((child) => this.#lookForEmptyManifests(child), manifestsRoot, "", after);
      case "empty blobs":
        return this.#below((child) => this.#lookForEmptyBlobs(child), blobsRoot, "", after);
    }
  }

  /** Skips directories that sort completely before `after`. */
  *#below(lookAt: LookAt, folder: string, prefix: string, after: string): Walk {
    const places = this.#attempt(folder, () => this.#folders.places(folder)) ?? [];
    const rest = after.startsWith(prefix) ? after.slice(prefix.length) : "";
    /** Kept from the first to the second of a component's two places. */
    const looked = new Map<string, Look>();
    const first = placeOf(places, rest.slice(0, rest.indexOf("/") + 1) || rest);
    for (let index = first; index < places.length; index++) {
      const place = places[index] ?? "";
      const key = `${prefix}${place}`;
      const isBelow = place.endsWith("/");
      const component = isBelow ? place.slice(0, -1) : place;
      const child = `${folder}/${folderOf(component)}`;
      const look = looked.get(component) ?? lookAt(child);
      if (!isBelow) {
        looked.set(component, look);
        if (look.isRepository && key > after && isRepositoryName(key)) yield key;
      } else {
        looked.delete(component);
        if (look.mayHaveBelow) yield* this.#below(lookAt, child, key, after);
      }
    }
  }

  /**
   * If the file system counts subdirectories as links, one link more than an empty directory shows that there is only
   * `tags`, without reading perhaps 100,000 manifests.
   */
  #lookAtManifests(child: string): Look {
    const isRepository = this.#hasTags(child);
    return { isRepository, mayHaveBelow: !isRepository || this.#links(child) !== linksWithOneFolder };
  }

  #lookAtBlobs(child: string): Look {
    const manifests = `${this.layout.manifestsRoot}${child.slice(this.layout.blobsRoot.length)}`;
    const isRepository = !this.#hasTags(manifests) && this.#entries(child).some(({ name }) => isDigest(name));
    return { isRepository, mayHaveBelow: this.#links(child) !== linksByItself };
  }

  #lookForEmptyManifests(child: string): Look {
    const blobs = `${this.layout.blobsRoot}${child.slice(this.layout.manifestsRoot.length)}`;
    const kind = this.#attempt(child, () => emptiness(child));
    const isRepository = kind === "empty" && this.#attempt(blobs, () => hasNoFiles(blobs)) === true;
    return { isRepository, mayHaveBelow: this.#lookAtManifests(child).mayHaveBelow };
  }

  /** Skips components that have a manifests' directory. */
  #lookForEmptyBlobs(child: string): Look {
    const manifests = `${this.layout.manifestsRoot}${child.slice(this.layout.blobsRoot.length)}`;
    const isRepository =
      this.#attempt(child, () => firstEntry(child)) === null &&
      this.#attempt(manifests, () => lstatSync(manifests, { throwIfNoEntry: false }) === undefined) === true;
    return { isRepository, mayHaveBelow: this.#links(child) !== linksByItself };
  }

  #hasTags(folder: string): boolean {
    const found = this.#attempt(folder, () => lstatSync(`${folder}/tags`, { throwIfNoEntry: false }));
    if (found?.isSymbolicLink())
      this.#failures.push({ path: folder, code: "ELOOP", message: "a symbolic link for its tags" });
    return found !== undefined && !found.isSymbolicLink();
  }

  #links(folder: string): number | undefined {
    return this.#attempt(folder, () => lstatSync(folder, { throwIfNoEntry: false }))?.nlink;
  }

  #entries(folder: string): Dirent[] {
    return this.#attempt(folder, () => readdirSync(folder, { withFileTypes: true })) ?? [];
  }

  /** Returns the result of `look`, or `undefined` if nothing exists or the call fails. */
  #attempt<T>(path: string, look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      const { code = "UNKNOWN", message } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") this.#failures.push({ path, code, message });
      return undefined;
    }
  }
}
