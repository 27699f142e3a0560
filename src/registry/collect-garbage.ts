/**
 * Garbage collection during pushes and pulls, one repository at a time. It reads the names in the manifests without a lock.
 * It removes in small batches under the repository's lock, and there checks again that no client was told that the object
 * exists and that no manifest pushed meanwhile names it. Eviction, and not collection, removes the content of upstream
 * registries.
 */
import type { Hold } from "../cluster/cluster.js";
import type { Digest } from "../domain/digest.js";
import { attempt, RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { noHistory } from "../domain/tag-history.js";
import type { CollectedRepository, GarbageReport, KeptContents } from "../gc/report.js";
import { describeError } from "../lib/describe-error.js";
import { allEnded } from "../lib/in-parallel.js";
import { removeBlob, removeUntagged } from "./delete.js";
import { type Keeping, keptManifests, readManifests } from "./kept-manifests.js";
import { removing } from "./removing.js";
import type { Services } from "./services.js";

export interface CollectOptions extends Keeping {
  /** Report what would be removed, and remove nothing. */
  readonly dryRun: boolean;
  /** Ends the collection after the current batch; the report then covers the work until then. */
  readonly signal?: AbortSignal;
}

/** Called after each repository, and finally for the contents. */
export type Progress = (done: number, what: string) => void;

/** Removals under one hold of a repository's lock. */
const batchSize = 16;

/** Collects everything once. Rejects if the storage fails; a damaged repository does not stop the others. */
export async function collectGarbage(
  services: Services,
  options: CollectOptions,
  onProgress: Progress = () => {},
): Promise<GarbageReport> {
  const repositories: CollectedRepository[] = [];
  const totals = { manifests: 0, blobs: 0, leased: 0, spared: 0, bytesFreed: 0, orphans: 0 };
  let done = 0;
  for await (const name of services.storage.repositories.all()) {
    const { bytesFreed, spared, ...collected } = await new RepositoryCollection(
      services,
      name,
      options,
    ).run();
    totals.manifests += collected.manifests.length;
    totals.blobs += collected.blobs.length;
    totals.leased += collected.leased;
    totals.spared += spared;
    totals.bytesFreed += bytesFreed;
    if (!options.dryRun) await pruneHistory(services, name);
    if (collected.manifests.length + collected.blobs.length > 0 || collected.skipped !== undefined)
      repositories.push(collected);
    onProgress(++done, name);
    if (options.signal?.aborted) break;
  }
  const emptied = await removeEmptyRepositories(services, options);
  let kept: KeptContents | undefined;
  for await (const { digest, size, keptUntil } of services.storage.blobs.orphans()) {
    if (options.signal?.aborted) break;
    if (keptUntil !== undefined) {
      const { contents, bytes, until } = kept ?? { contents: 0, bytes: 0, until: 0 };
      kept = { contents: contents + 1, bytes: bytes + size, until: Math.max(until, keptUntil) };
      continue;
    }
    const freed = options.dryRun ? size : await removeOrphan(services, digest);
    if (freed === undefined) continue;
    totals.orphans++;
    totals.bytesFreed += freed;
    onProgress(done, "contents of no repository");
  }
  const pausedUntil = await services.cluster.leases.pausedUntil();
  return {
    dryRun: options.dryRun,
    repositories,
    ...totals,
    ...(kept !== undefined && { kept }),
    emptied,
    ...(pausedUntil > Date.now() && { protectedUntil: pausedUntil }),
  };
}

/** Removes the entries of tags' histories that are beyond the bounds. A failure does not stop the collection. */
async function pruneHistory({ storage, rules, onStray }: Services, name: RepositoryName): Promise<void> {
  try {
    await storage.history.prune(name, rules.history ?? noHistory);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    onStray(name, `the history of its tags cannot be shortened: ${describeError(error)}`);
  }
}

/**
 * Removes empty repositories from the catalog, with their directories. A push to the repository waits for the lock. A push
 * to another repository below the same directory creates it again.
 */
async function removeEmptyRepositories(
  services: Services,
  { dryRun, signal }: CollectOptions,
): Promise<RepositoryName[]> {
  const { storage, cluster, onStray } = services;
  const emptied: RepositoryName[] = [];
  for await (const name of storage.repositories.empty()) {
    if (signal?.aborted) break;
    try {
      const remove = (hold: Hold) =>
        removing(services, hold, { kind: "repository-emptied", name }, () =>
          storage.repositories.removeEmpty(name),
        );
      if (dryRun || (await cluster.repositoryLocks.exclusive(name, remove))) emptied.push(name);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      onStray(name, `an empty repository cannot be removed: ${describeError(error)}`);
    }
  }
  return emptied;
}

/** Returns the bytes freed, or `undefined` if the content could not be removed, which does not stop the removal of others. */
async function removeOrphan(services: Services, digest: Digest): Promise<number | undefined> {
  try {
    return await services.storage.blobs.removeOrphan(digest);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    services.onStray(digest, `cannot be removed: ${describeError(error)}`);
    return undefined;
  }
}

type Collected = CollectedRepository & { readonly bytesFreed: number; readonly spared: number };

class RepositoryCollection {
  readonly #manifests: Digest[] = [];
  readonly #blobs: Digest[] = [];
  #leased = 0;
  #spared = 0;
  #bytesFreed = 0;
  /** The first reason why possible garbage stays. */
  #skipped: string | undefined;

  constructor(
    readonly services: Services,
    readonly name: RepositoryName,
    readonly options: CollectOptions,
  ) {}

  /** Never rejects: a failure in one repository does not affect the others, and its earlier removals are reported. */
  async run(): Promise<Collected> {
    try {
      await this.services.cluster.leases.withNotes(this.name, (noted) => this.#collect(noted));
    } catch (error) {
      this.#skipped ??= describeError(error);
      if (!(error instanceof RegistryError)) this.services.onBackgroundError(error);
    }
    return {
      name: this.name,
      manifests: this.#manifests,
      blobs: this.#blobs,
      leased: this.#leased,
      spared: this.#spared,
      bytesFreed: this.#bytesFreed,
      ...(this.#skipped !== undefined && { skipped: this.#skipped }),
    };
  }

  async #collect(noted: ReadonlySet<Digest>): Promise<void> {
    const { services, name, options } = this;
    const { storage } = services;
    // Its manifests name content that is not here, and its blobs may be here without their manifests: only eviction decides.
    if (services.isMirrored(name)) {
      if (!options.dryRun) await this.#dropDanglingReferrers();
      return;
    }
    // Wait for pushes that began earlier: they may have noted nothing.
    await services.cluster.repositoryLocks.exclusive(name, async () => {});
    const all = await readManifests(services, name);
    if (typeof all === "string") {
      this.#skipped = all;
      return;
    }
    const { kept, spared, why } = await keptManifests(services, name, all, options);
    this.#spared = spared;
    this.#skipped = why;
    const garbage = [...all.keys()].filter((digest) => !kept.has(digest));
    await this.#removeInBatches(garbage, noted, this.#manifests, (hold, digest) =>
      removeUntagged(services, hold, name, digest),
    );
    const gone = new Set(this.#manifests);
    const named = new Set([...all].flatMap(([digest, { named }]) => (gone.has(digest) ? [] : named)));
    const unnamed = (await storage.blobs.list(name)).filter((digest) => !named.has(digest));
    await this.#removeInBatches(unnamed, noted, this.#blobs, async (hold, digest) => {
      // Not one expression with the await: other calls add to the total meanwhile.
      const freed = await removeBlob(services, hold, name, digest);
      this.#bytesFreed += freed ?? 0;
    });
    this.#leased = unnamed.length - (await this.#unleased(unnamed, noted)).length;
    if (options.dryRun) {
      for await (const { shared, size } of storage.blobs.usages(name, this.#blobs))
        if (!shared) this.#bytesFreed += size;
    } else {
      await this.#dropDanglingReferrers();
    }
  }

  /** Adds the removed ones to `removed`. Keeps those that are leased or `noted`. */
  async #removeInBatches(
    digests: readonly Digest[],
    noted: ReadonlySet<Digest>,
    removed: Digest[],
    remove: (hold: Hold, digest: Digest) => Promise<unknown>,
  ): Promise<void> {
    const { cluster } = this.services;
    const { dryRun, signal } = this.options;
    for (let start = 0; start < digests.length; start += batchSize) {
      if (signal?.aborted) break;
      const batch = digests.slice(start, start + batchSize);
      if (dryRun) {
        removed.push(...(await this.#unleased(batch, noted)));
        continue;
      }
      await cluster.repositoryLocks.exclusive(this.name, async (hold) => {
        const removals = batch
          .filter((digest) => !noted.has(digest))
          .map((digest) =>
            this.#attempt(digest, async () => {
              const result = await cluster.leases.condemn(this.name, digest, () => remove(hold, digest));
              if (result !== "leased") removed.push(digest);
            }),
          );
        await allEnded(removals);
      });
    }
  }

  async #unleased(digests: readonly Digest[], noted: ReadonlySet<Digest>): Promise<Digest[]> {
    const leased = await this.services.cluster.leases.leased(this.name, digests);
    return digests.filter((digest) => !noted.has(digest) && !leased.has(digest));
  }

  /** Returns whether the removal succeeded. A failed removal does not stop the others. */
  #attempt(what: Digest, removal: () => Promise<unknown>): Promise<boolean> {
    return attempt(removal, (why) => {
      this.#skipped ??= `${what} cannot be removed: ${why}`;
    });
  }

  /** A crash may have left an entry whose manifest was removed. */
  async #dropDanglingReferrers(): Promise<void> {
    const { name } = this;
    const { storage, cluster } = this.services;
    for await (const { subject, referrer } of storage.referrers.all(name)) {
      await this.#attempt(referrer, async () => {
        if ((await storage.manifests.size(name, referrer)) !== undefined) return;
        await cluster.repositoryLocks.exclusive(name, async (hold) => {
          if ((await storage.manifests.size(name, referrer)) !== undefined) return;
          hold.confirm();
          await storage.referrers.remove(name, subject, referrer);
        });
      });
    }
  }
}
