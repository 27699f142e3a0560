/** Deletes tags, manifests and blobs (distribution-spec, end-9 and end-10), if the setting allows it. */
import type { DeletePermit } from "../auth/gate.js";
import type { Hold } from "../cluster/cluster.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import { holds, type Precondition, preconditionFailed } from "../domain/precondition.js";
import type { Reference, Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { isImmutable } from "../gc/retention.js";
import { inParallel } from "../lib/in-parallel.js";
import { checkNotOfImmutable } from "./immutable-images.js";
import { readManifest } from "./read-manifest.js";
import type { RegistryEvent } from "./registry-event.js";
import { removing } from "./removing.js";
import type { Services } from "./services.js";
import { type Actor, immutable, noteBy, removingTag } from "./tags.js";

/**
 * Deletes the tag, or the manifest with all tags that point to it. Returns what it deleted, a manifest before its tags.
 * Rejects with `manifest-unknown`, `delete-disabled` or, if the precondition does not hold for the manifest that the
 * reference names, `precondition-failed`.
 */
export async function deleteManifest(
  services: Services,
  { name, identity: { subject } }: DeletePermit,
  reference: Reference,
  precondition?: Precondition,
): Promise<readonly RegistryEvent[]> {
  checkSwitch(services);
  const deleted = await (reference.kind === "tag"
    ? services.cluster.repositoryLocks.exclusive(name, (hold) =>
        untag(services, hold, name, reference.tag, precondition, subject),
      )
    : removeManifest(services, name, reference.digest, precondition, subject));
  if (deleted === undefined)
    throw new RegistryError("manifest-unknown", "no such manifest in this repository");
  const tags = deleted.toSorted().map((tag) => ({ action: "delete", tag }) as const);
  return reference.kind === "tag" ? tags : [{ action: "delete", digest: reference.digest }, ...tags];
}

/** Rejects with `blob-unknown` or `delete-disabled`. */
export async function deleteBlob(services: Services, { name }: DeletePermit, digest: Digest): Promise<void> {
  checkSwitch(services);
  const freed = await services.cluster.repositoryLocks.exclusive(name, async (hold) => {
    await checkNotOfImmutable(services, name, digest);
    return removeBlob(services, hold, name, digest);
  });
  if (freed === undefined)
    throw new RegistryError("blob-unknown", "no such blob in this repository", { digest });
}

/** Removes a blob. Resolves with the bytes that it freed, or with `undefined` if it was not there. */
export async function removeBlob(
  services: Services,
  hold: Hold,
  name: RepositoryName,
  digest: Digest,
): Promise<number | undefined> {
  return removing(services, hold, { kind: "blob-deleted", name, digest }, () =>
    services.storage.blobs.remove(name, digest),
  );
}

function checkSwitch(services: Services): void {
  if (!services.rules.deleteEnabled) throw new RegistryError("delete-disabled", "deletion is disabled");
}

function checkImmutable(services: Services, name: RepositoryName, tag: Tag): void {
  if (isImmutable(services.rules.tagPolicy, name, tag)) throw immutable(tag);
}

/** Returns the removed tag, or `undefined` if there was none. */
async function untag(
  services: Services,
  hold: Hold,
  name: RepositoryName,
  tag: Tag,
  precondition: Precondition | undefined,
  by: Actor,
): Promise<Tag[] | undefined> {
  checkImmutable(services, name, tag);
  if (precondition !== undefined) {
    // The lock excludes pushes, so the tag cannot move before it is removed. A missing tag gets 404, precondition or not.
    const current = await services.storage.tags.resolve(name, tag);
    if (current !== undefined && !holds(precondition, current)) throw preconditionFailed(tag, current);
  }
  return (await removeTag(services, hold, name, tag, by)) ? [tag] : undefined;
}

/** Resolves with whether the tag existed. Its history remains, with an entry that it was removed by `by`, or goes without. */
export function removeTag(
  services: Services,
  hold: Hold,
  name: RepositoryName,
  tag: Tag,
  by?: Actor,
): Promise<boolean> {
  const note = by && noteBy(services, by);
  return removingTag(services, hold, name, tag, () => services.storage.tags.remove(name, tag, note));
}

/** Tags removed under one hold of the repository's lock: they share the syncs of their folder. */
const tagsAtOnce = 64;

/** Attempts to find the tags without the lock, if the manifest is pushed again each time. */
const looksAgainMax = 3;

/**
 * Removes the manifest and its tags, and returns the tags, or `undefined` if there is no such manifest. Removes the tags
 * first: a crash in between leaves a manifest without tags, never a tag without a manifest. Finds the tags without the
 * repository's lock, because there may be many, and removes all but the last few in batches, so that pushes run in between.
 */
async function removeManifest(
  services: Services,
  name: RepositoryName,
  digest: Digest,
  precondition: Precondition | undefined,
  by: Actor,
): Promise<Tag[] | undefined> {
  if ((await services.storage.manifests.size(name, digest)) === undefined) return undefined;
  // Checked here too, before any tag is removed.
  await checkNotOfImmutable(services, name, digest);
  // A request by digest can only be compared with that digest.
  if (precondition !== undefined && !holds(precondition, digest)) throw preconditionFailed(digest, digest);
  const removed: Tag[] = [];
  for (let time = 0; ; time++) {
    const gone = await services.cluster.leases.withNotes(name, async (noted) => {
      // Wait for pushes that began earlier: they may have noted nothing.
      await services.cluster.repositoryLocks.exclusive(name, async () => {});
      const tags = await tagsOf(services, name, digest);
      while (tags.length > tagsAtOnce) {
        const batch = tags.splice(0, tagsAtOnce);
        await services.cluster.repositoryLocks.exclusive(name, async (hold) => {
          await removeTags(services, hold, name, digest, batch, removed, by);
        });
      }
      return services.cluster.repositoryLocks.exclusive(name, async (hold) => {
        if (noted.has(digest)) {
          // The manifest was pushed again meanwhile, perhaps with other tags. Find them without the lock first.
          if (time < looksAgainMax) return "pushed meanwhile";
          tags.push(...(await tagsOf(services, name, digest)));
        }
        await checkNotOfImmutable(services, name, digest);
        await removeTags(services, hold, name, digest, tags, removed, by);
        return removeUntagged(services, hold, name, digest);
      });
    });
    if (gone !== "pushed meanwhile") return gone ? removed : undefined;
  }
}

/** Returns the tags that point to the manifest. Rejects with `denied` if one of them is immutable. */
async function tagsOf(services: Services, name: RepositoryName, digest: Digest): Promise<Tag[]> {
  const tags: Tag[] = [];
  for await (const target of services.storage.tags.targets(name))
    if (target.digest === digest) tags.push(target.tag);
  for (const tag of tags) checkImmutable(services, name, tag);
  return tags;
}

/** Removes those of `tags` that still point to the manifest, and adds them to `removed`. */
async function removeTags(
  services: Services,
  hold: Hold,
  name: RepositoryName,
  digest: Digest,
  tags: readonly Tag[],
  removed: Tag[],
  by: Actor,
): Promise<void> {
  if (tags.length === 0) return;
  await inParallel(services.storage.tags.targets(name, tags), tagsAtOnce, async (target) => {
    if (target.digest === digest && (await removeTag(services, hold, name, target.tag, by)))
      removed.push(target.tag);
  });
}

/**
 * Removes a manifest without tags, and then its entry as a referrer: a crash in between leaves an entry that is never
 * listed. Call it with the repository's lock held. Returns whether the manifest existed.
 */
export async function removeUntagged(
  services: Services,
  hold: Hold,
  name: RepositoryName,
  digest: Digest,
): Promise<boolean> {
  const { storage } = services;
  // A damaged manifest has no readable subject; it can be deleted nevertheless.
  const found = await readManifest(services, name, digest);
  const removed = await removing(
    services,
    hold,
    { kind: "manifest-deleted", name, digest },
    async () => found !== undefined && storage.manifests.remove(name, digest),
  );
  const subject = typeof found === "object" ? found.manifest.subject : undefined;
  if (subject !== undefined) await storage.referrers.remove(name, subject.digest, digest);
  return removed;
}
