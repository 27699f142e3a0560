/**
 * The repositories of a store. A repository is in the catalog if it has a manifest or a marker, which the removal of a
 * manifest leaves: a push writes no marker. Listings of folders, a thousand repositories for each request, are merged.
 */
import type { RepositoryName } from "../../domain/repository-name.js";
import { inParallel } from "../../lib/in-parallel.js";
import { merged } from "../../lib/merged.js";
import type { RepositoryStore } from "../storage.js";
import type { S3Client } from "./client.js";
import { decodeName, encodeNamePart, keys } from "./keys.js";
import { recordsAtOnce, type StoredRecords } from "./stored-records.js";
import type { S3History } from "./tag-history.js";

/** Page size for callers that need all of them; S3 allows no more. */
const manyAtOnce = 1000;

/** Folders with a repository's objects, without those that only say something about others. */
const contentFolders = [keys.allManifests, keys.allBlobs, keys.allTags, keys.allReferrers] as const;

export class S3Repositories implements RepositoryStore {
  constructor(
    readonly client: S3Client,
    readonly records: StoredRecords,
    readonly history: Pick<S3History, "removeAll">,
  ) {}

  async *list(after = "", atOnce = manyAtOnce): AsyncIterable<RepositoryName> {
    const sources = [this.#folders(keys.allManifests, after, atOnce), this.#markers(after, atOnce)];
    for await (const { item } of merged(sources)) yield item;
  }

  async *all(): AsyncIterable<RepositoryName> {
    const sources = [...contentFolders.map((folder) => this.#folders(folder)), this.#markers()];
    for await (const { item } of merged(sources)) yield item;
  }

  async *empty(): AsyncIterable<RepositoryName> {
    const remains = [this.#markers(), this.#folders(keys.allPulls), this.#folders(keys.allHistories)];
    const content = contentFolders.map((folder) => this.#folders(folder));
    for await (const { item, sources } of merged([...remains, ...content]))
      if ([...sources].every((index) => index < remains.length)) yield item;
  }

  async removeEmpty(name: RepositoryName): Promise<boolean> {
    const folders = [keys.manifests, keys.blobs, keys.tags, keys.referrers].map((folder) => folder(name));
    const found = await Promise.all(folders.map((folder) => hasObjects(this.client, folder)));
    if (found.includes(true)) return false;
    await inParallel(this.client.list(keys.pulls(name)), recordsAtOnce, ({ key }) => this.client.delete(key));
    await this.history.removeAll(name);
    await this.client.delete(keys.catalogued(name));
    return true;
  }

  /** Yields the repositories that have objects below `prefix`. */
  async *#folders(prefix: string, after = "", atOnce = manyAtOnce): AsyncGenerator<RepositoryName, void> {
    for await (const folder of this.client.listFolders(prefix, startAfter(prefix, after), atOnce)) {
      const name = decodeName(folder.slice(prefix.length, -1));
      if (name === undefined) this.records.onStray(folder, "not a repository");
      else if (name > after) yield name;
    }
  }

  async *#markers(after = "", atOnce = manyAtOnce): AsyncGenerator<RepositoryName, void> {
    const start = startAfter(keys.catalog, after);
    for await (const { key } of this.client.list(keys.catalog, start, atOnce)) {
      const name = decodeName(key.slice(keys.catalog.length));
      if (name === undefined) this.records.onStray(key, "not a repository");
      else if (name > after) yield name;
    }
  }
}

/** Whether a repository has, or had, a manifest. */
export async function isInCatalog(client: S3Client, name: RepositoryName): Promise<boolean> {
  const [hasManifests, marker] = await Promise.all([
    hasObjects(client, keys.manifests(name)),
    client.head(keys.catalogued(name)),
  ]);
  return hasManifests || marker !== undefined;
}

async function hasObjects(client: S3Client, prefix: string): Promise<boolean> {
  for await (const _ of client.list(prefix, "", 1)) return true;
  return false;
}

/** Characters of names. `after` may be any text; no name comes between the part before another character and the name itself. */
const namePart = /^[a-z0-9._/-]*/;

/** Returns a key before the keys of all names after `after`, and after those of nearly all others. */
function startAfter(prefix: string, after: string): string {
  const [part = ""] = namePart.exec(after) ?? [];
  return part === "" ? "" : `${prefix}${encodeNamePart(part)}`;
}
