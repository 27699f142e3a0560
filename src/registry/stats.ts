/** Storage use by repository, and the savings from shared content. */

import type { RepositoryName } from "../domain/repository-name.js";
import { describeError } from "../lib/describe-error.js";
import { sortedInTurns } from "../lib/sorted-in-turns.js";
import type { Services } from "./services.js";

export interface RepositoryStats {
  readonly name: RepositoryName;
  readonly blobs: number;
  readonly manifests: number;
  readonly tags: number;
  /** Size of blobs and manifests. */
  readonly bytes: number;
  /** Size of blobs that other repositories have too. */
  readonly sharedBytes: number;
  /** Bytes that deleting the repository would free. */
  readonly uniqueBytes: number;
}

/** A repository that cannot be read. It is listed with the reason and not counted. */
export interface UnreadRepository {
  readonly name: RepositoryName;
  readonly why: string;
}

export interface RegistryStats {
  readonly repositories: readonly RepositoryStats[];
  readonly unread: readonly UnreadRepository[];
  readonly contents: number;
  /** Size of the distinct contents. */
  readonly contentBytes: number;
  /** Size of contents and manifests on disk. */
  readonly storedBytes: number;
  /** Size if nothing were shared. */
  readonly logicalBytes: number;
  /** Logical size divided by stored size; 1 if nothing is stored. */
  readonly dedupeRatio: number;
  readonly openUploads: { readonly sessions: number; readonly bytes: number };
}

/** Stops after the current repository if `signal` is aborted; the result is then incomplete. */
export async function gatherStats(
  services: Services,
  signal: AbortSignal,
  onRepository: (done: number, name: RepositoryName) => void,
): Promise<RegistryStats> {
  const { storage } = services;
  const found: RepositoryStats[] = [];
  const unread: UnreadRepository[] = [];
  let ownBytes = 0;
  for await (const name of storage.repositories.all()) {
    signal.throwIfAborted();
    try {
      const { own, ...stats } = await statsOf(services, name);
      found.push(stats);
      ownBytes += own;
    } catch (error) {
      unread.push({ name, why: describeError(error) });
    }
    onRepository(found.length, name);
  }
  let contents = 0;
  let contentBytes = 0;
  for await (const { size } of storage.blobs.contents()) {
    signal.throwIfAborted();
    contents++;
    contentBytes += size;
  }
  const openUploads = { sessions: 0, bytes: 0 };
  for await (const { bytes } of storage.uploads.all()) {
    openUploads.sessions++;
    openUploads.bytes += bytes;
  }
  const repositories = await sortedInTurns(found, (a, b) => (a.name < b.name ? -1 : 1));
  const logicalBytes = repositories.reduce((sum, { bytes }) => sum + bytes, 0);
  const storedBytes = contentBytes + ownBytes;
  const dedupeRatio = storedBytes === 0 ? 1 : logicalBytes / storedBytes;
  return {
    repositories,
    unread,
    contents,
    contentBytes,
    storedBytes,
    logicalBytes,
    dedupeRatio,
    openUploads,
  };
}

/** `own` is the size of the objects stored only for this repository, beside the contents. */
async function statsOf(
  { storage }: Services,
  name: RepositoryName,
): Promise<RepositoryStats & { readonly own: number }> {
  const blobs = await storage.blobs.list(name);
  const manifests = await storage.manifests.list(name);
  const tags = (await storage.tags.list(name)) ?? [];
  let [sharedBytes, uniqueBytes, own] = [0, 0, 0];
  for await (const usage of storage.blobs.usages(name, blobs)) {
    if (usage.shared) sharedBytes += usage.size;
    else uniqueBytes += usage.size;
    if (!usage.isContent) own += usage.size;
  }
  for await (const size of storage.manifests.sizes(name, manifests)) {
    uniqueBytes += size;
    own += size;
  }
  return {
    name,
    blobs: blobs.length,
    manifests: manifests.length,
    tags: tags.length,
    bytes: sharedBytes + uniqueBytes,
    sharedBytes,
    uniqueBytes,
    own,
  };
}
