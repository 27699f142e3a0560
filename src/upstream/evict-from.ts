/** Removes cached manifests, their tags, and blobs from one repository of an upstream, beside pulls and fetches. */
import { setImmediate } from "node:timers/promises";
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { batchesOf } from "../lib/batches.js";
import { removeBlob, removeTag, removeUntagged } from "../registry/delete.js";
import { removing } from "../registry/removing.js";
import type { Services } from "../registry/services.js";

export interface Evicted {
  readonly manifests: Digest[];
  readonly blobs: Digest[];
  tags: number;
  /** Bytes that the storage has freed; some storages free them later. */
  freedBytes: number;
}

export interface EvictionOrder {
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
  /** Asked again right before each removal: it may be in use now. */
  mayRemove(digest: Digest): boolean;
}

/** Removals under one hold of the repository's lock. */
const batchSize = 16;

/**
 * Leases do not count, because nobody can push a manifest here that names the content, and it can be fetched again. Tags go
 * before their manifests: a crash in between leaves a manifest without tags. What a fetch has just stored stays.
 */
export async function evictFrom(
  services: Services,
  name: RepositoryName,
  order: EvictionOrder,
  signal?: AbortSignal,
): Promise<Evicted> {
  const { cluster } = services;
  const evicted: Evicted = { manifests: [], blobs: [], tags: 0, freedBytes: 0 };
  await cluster.leases.withNotes(name, async (noted) => {
    // Wait for fetches that began to store earlier: they may have noted nothing.
    await cluster.repositoryLocks.exclusive(name, async () => {});
    const tags = order.manifests.length === 0 ? new Map<Digest, Tag[]>() : await tagsByTarget(services, name);
    const mayRemove = (digest: Digest) => !noted.has(digest) && order.mayRemove(digest);
    for (const batch of batchesOf(order.manifests, batchSize)) {
      if (signal?.aborted) return;
      await cluster.repositoryLocks.exclusive(name, async (hold) => {
        for (const digest of batch.filter(mayRemove)) {
          for (const tag of tags.get(digest) ?? []) {
            // A fetch may have moved it to another manifest.
            if ((await services.storage.tags.resolve(name, tag)) !== digest) continue;
            if (await removeTag(services, hold, name, tag)) evicted.tags++;
          }
          if (await removeUntagged(services, hold, name, digest)) evicted.manifests.push(digest);
        }
      });
      await setImmediate();
    }
    for (const batch of batchesOf(order.blobs, batchSize)) {
      if (signal?.aborted) return;
      await cluster.repositoryLocks.exclusive(name, async (hold) => {
        for (const digest of batch.filter(mayRemove)) {
          const freed = await removeBlob(services, hold, name, digest);
          if (freed === undefined) continue;
          evicted.blobs.push(digest);
          evicted.freedBytes += freed;
        }
      });
      await setImmediate();
    }
  });
  return evicted;
}

async function tagsByTarget({ storage }: Services, name: RepositoryName): Promise<Map<Digest, Tag[]>> {
  const tags = new Map<Digest, Tag[]>();
  for await (const { tag, digest } of storage.tags.targets(name)) {
    if (digest === undefined) continue;
    const others = tags.get(digest);
    if (others === undefined) tags.set(digest, [tag]);
    else others.push(tag);
  }
  return tags;
}

/** Removes the repository from the catalog if it has nothing any more. */
export async function removeIfEmpty(services: Services, name: RepositoryName): Promise<void> {
  await services.cluster.repositoryLocks.exclusive(name, (hold) =>
    removing(services, hold, { kind: "repository-emptied", name }, () =>
      services.storage.repositories.removeEmpty(name),
    ),
  );
}
