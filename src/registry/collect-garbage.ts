/**
 * Garbage collection, while pushes and pulls go on. A repository at a time: what its manifests name is read
 * without any lock; its lock is held for batches of a few unlinks, and there it is checked again that
 * nobody was told of the object, and that no manifest pushed meanwhile names it.
 */
import type { Digest } from "../domain/digest.js";
import { describeError, RegistryError } from "../domain/errors.js";
import { allEnded } from "../domain/in-parallel.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { ObjectKey } from "../gc/protection.js";
import type { CollectedRepository, GarbageReport } from "../gc/report.js";
import { removeBlob, removeUntagged } from "./delete.js";
import { type Keeping, keptManifests, readManifests } from "./kept-manifests.js";
import type { Services } from "./services.js";

export interface CollectOptions extends Keeping {
  /** Tell what would go, and leave it. */
  readonly dryRun: boolean;
  /** Ends the collection behind the batch at work; the report then tells of what was done until then. */
  readonly signal?: AbortSignal;
}

/** Told of each repository that is done, and of the contents in the end. */
export type Progress = (done: number, what: string) => void;

/** Removals under one hold of a repository's lock. */
const batchSize = 16;

/** Collects everything once. Rejects where the storage fails; what one repository hides stops no other. */
export async function collectGarbage(
  services: Services,
  options: CollectOptions,
  onProgress: Progress = () => {},
): Promise<GarbageReport> {
  const repositories: CollectedRepository[] = [];
  const totals = { manifests: 0, blobs: 0, bytesFreed: 0, orphans: 0 };
  let done = 0;
  for await (const name of services.storage.repositories.all()) {
    const { bytesFreed, ...collected } = await collectRepository(services, name, options).catch(
      (error: unknown) => skipped(name, error),
    );
    totals.manifests += collected.manifests.length;
    totals.blobs += collected.blobs.length;
    totals.bytesFreed += bytesFreed;
    if (collected.manifests.length + collected.blobs.length > 0 || collected.skipped !== undefined)
      repositories.push(collected);
    onProgress(++done, name);
    if (options.signal?.aborted) break;
  }
  for await (const { digest, size, links } of services.storage.blobs.contents()) {
    if (options.signal?.aborted) break;
    if (links !== 1) continue;
    const freed = options.dryRun ? size : await services.storage.blobs.removeOrphan(digest);
    if (freed === undefined) continue;
    totals.orphans++;
    totals.bytesFreed += freed;
    onProgress(done, "contents of no repository");
  }
  const { allUntil } = services.protection;
  return {
    dryRun: options.dryRun,
    repositories,
    ...totals,
    ...(allUntil > Date.now() && { protectedUntil: allUntil }),
  };
}

type Collected = CollectedRepository & { readonly bytesFreed: number };

/** What the storage refuses to tell of one repository, or to remove, says nothing of the others. */
function skipped(name: RepositoryName, error: unknown): Collected {
  if (!(error instanceof RegistryError)) throw error;
  return { name, manifests: [], blobs: [], leased: 0, bytesFreed: 0, skipped: describeError(error) };
}

function collectRepository(
  services: Services,
  name: RepositoryName,
  options: CollectOptions,
): Promise<Collected> {
  return services.protection.withJournal(name, async (noted) => {
    // Pushes that began before the journal did come to their end first.
    await services.repositoryLocks.exclusive(name, async () => {});
    const all = await readManifests(services, name);
    if (typeof all === "string")
      return { name, manifests: [], blobs: [], leased: 0, bytesFreed: 0, skipped: all };
    const kept = await keptManifests(services, name, all, options);
    const spare = (digest: Digest) => noted.has(digest) || services.protection.protects(`${name}@${digest}`);
    const manifests = await removeInBatches(
      services,
      name,
      [...all.keys()].filter((digest) => !kept.has(digest)),
      { ...options, spare, remove: (digest) => removeUntagged(services, name, digest) },
    );
    const gone = new Set(manifests);
    const named = new Set([...all].flatMap(([digest, { named }]) => (gone.has(digest) ? [] : named)));
    const unnamed = (await services.storage.blobs.list(name)).filter((digest) => !named.has(digest));
    let bytesFreed = 0;
    const blobs = await removeInBatches(services, name, unnamed, {
      ...options,
      spare,
      remove: async (digest) => {
        // Not in one expression with the await: others add to it meanwhile.
        const freed = await removeBlob(services, name, digest);
        bytesFreed += freed ?? 0;
      },
    });
    if (options.dryRun) {
      for await (const { shared, size } of services.storage.blobs.usages(name, blobs))
        if (!shared) bytesFreed += size;
    } else {
      await dropDanglingReferrers(services, name);
    }
    return { name, manifests, blobs, leased: unnamed.length - blobs.length, bytesFreed };
  });
}

interface Removal extends CollectOptions {
  /** Whether the object has to stay after all. */
  readonly spare: (digest: Digest) => boolean;
  /** Called with the repository's lock held. */
  readonly remove: (digest: Digest) => Promise<unknown>;
}

/** Those that were removed. */
async function removeInBatches(
  { protection, repositoryLocks }: Services,
  name: RepositoryName,
  digests: readonly Digest[],
  { dryRun, signal, spare, remove }: Removal,
): Promise<Digest[]> {
  const removed: Digest[] = [];
  for (let start = 0; start < digests.length; start += batchSize) {
    if (signal?.aborted) break;
    const batch = digests.slice(start, start + batchSize);
    if (dryRun) {
      removed.push(...batch.filter((digest) => !spare(digest)));
      continue;
    }
    await repositoryLocks.exclusive(name, async () => {
      const garbage = batch.filter((digest) => !spare(digest));
      await allEnded(
        garbage.map((digest) => {
          const key: ObjectKey = `${name}@${digest}`;
          return protection.condemn(key, () => remove(digest));
        }),
      );
      removed.push(...garbage);
    });
  }
  return removed;
}

/** A crash may have left the entry of a referrer whose manifest is gone. */
async function dropDanglingReferrers(
  { storage, repositoryLocks }: Services,
  name: RepositoryName,
): Promise<void> {
  for await (const { subject, referrer } of storage.referrers.all(name)) {
    if ((await storage.manifests.size(name, referrer)) !== undefined) continue;
    await repositoryLocks.exclusive(name, async () => {
      if ((await storage.manifests.size(name, referrer)) === undefined)
        await storage.referrers.remove(name, subject, referrer);
    });
  }
}
