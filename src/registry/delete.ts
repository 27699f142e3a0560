/** Deleting tags, manifests and blobs (distribution-spec, end-9 and end-10), behind one switch. */
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
import { immutable, removingTag } from "./tags.js";

/**
 * Deletes the tag, or the manifest with all tags that point to it. What was deleted, a manifest before its tags.
 * Rejects with `manifest-unknown`, `delete-disabled` or, where the reference names another manifest than the
 * precondition allows, `precondition-failed`.
 */
export async function deleteManifest(
  services: Services,
  { name }: DeletePermit,
  reference: Reference,
  precondition?: Precondition,
): Promise<readonly RegistryEvent[]> {
  checkSwitch(services);
  const deleted = await (reference.kind === "tag"
    ? services.cluster.repositoryLocks.exclusive(name, (hold) =>
        untag(services, hold, name, reference.tag, precondition),
      )
    : removeManifest(services, name, reference.digest, precondition));
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

/** The tag; `undefined` where it was not there. */
async function untag(
  services: Services,
  hold: Hold,
  name: RepositoryName,
  tag: Tag,
  precondition: Precondition | undefined,
): Promise<Tag[] | undefined> {
  checkImmutable(services, name, tag);
  if (precondition !== undefined) {
    // Pushes are locked out: it points there until it is removed. What is not there gets 404, precondition or not.
    const current = await services.storage.tags.resolve(name, tag);
    if (current !== undefined && !holds(precondition, current)) throw preconditionFailed(tag, current);
  }
  return (await removeTag(services, hold, name, tag)) ? [tag] : undefined;
}

/** Resolves with whether the tag was there. */
export function removeTag(services: Services, hold: Hold, name: RepositoryName, tag: Tag): Promise<boolean> {
  return removingTag(services, hold, name, tag, () => services.storage.tags.remove(name, tag));
}

/** Tags removed under one hold of the repository's lock: they share the syncs of their folder. */
const tagsAtOnce = 64;

/** Times that all tags are looked at without the lock while the manifest is pushed again and again. */
const looksAgainMax = 3;

/**
 * The tags go first: a crash in between leaves a manifest without tags, never a tag without manifest. They are looked
 * for without the repository's lock, since there may be many. All but the last go in batches, between which pushes
 * have their turn. The tags that went; `undefined` where the manifest was not there.
 */
async function removeManifest(
  services: Services,
  name: RepositoryName,
  digest: Digest,
  precondition: Precondition | undefined,
): Promise<Tag[] | undefined> {
  if ((await services.storage.manifests.size(name, digest)) === undefined) return undefined;
  // Here too, before any of its tags is gone.
  await checkNotOfImmutable(services, name, digest);
  // The digest is all that it can ever be compared with.
  if (precondition !== undefined && !holds(precondition, digest)) throw preconditionFailed(digest, digest);
  const removed: Tag[] = [];
  for (let time = 0; ; time++) {
    const gone = await services.cluster.leases.withJournal(name, async (noted) => {
      // Pushes that began before the journal did come to their end first.
      await services.cluster.repositoryLocks.exclusive(name, async () => {});
      const tags = await tagsOf(services, name, digest);
      while (tags.length > tagsAtOnce) {
        const batch = tags.splice(0, tagsAtOnce);
        await services.cluster.repositoryLocks.exclusive(name, async (hold) => {
          await removeTags(services, hold, name, digest, batch, removed);
        });
      }
      return services.cluster.repositoryLocks.exclusive(name, async (hold) => {
        if (noted.has(digest)) {
          // It was pushed again meanwhile, perhaps with other tags, which are looked for without the lock at first.
          if (time < looksAgainMax) return "pushed meanwhile";
          tags.push(...(await tagsOf(services, name, digest)));
        }
        await checkNotOfImmutable(services, name, digest);
        await removeTags(services, hold, name, digest, tags, removed);
        return removeUntagged(services, hold, name, digest);
      });
    });
    if (gone !== "pushed meanwhile") return gone ? removed : undefined;
  }
}

/** The tags that point to the manifest. Rejects with `denied` where one of them is immutable. */
async function tagsOf(services: Services, name: RepositoryName, digest: Digest): Promise<Tag[]> {
  const tags: Tag[] = [];
  for await (const target of services.storage.tags.targets(name))
    if (target.digest === digest) tags.push(target.tag);
  for (const tag of tags) checkImmutable(services, name, tag);
  return tags;
}

/** Removes those of `tags` that point to the manifest still, and adds them to `removed`. */
async function removeTags(
  services: Services,
  hold: Hold,
  name: RepositoryName,
  digest: Digest,
  tags: readonly Tag[],
  removed: Tag[],
): Promise<void> {
  if (tags.length === 0) return;
  await inParallel(services.storage.tags.targets(name, tags), tagsAtOnce, async (target) => {
    if (target.digest === digest && (await removeTag(services, hold, name, target.tag)))
      removed.push(target.tag);
  });
}

/**
 * Removes a manifest that no tag points to, and then its entry as a referrer: a crash in between leaves an
 * entry that nobody is told of. To be called with the repository's lock held. Whether it was there.
 */
export async function removeUntagged(
  services: Services,
  hold: Hold,
  name: RepositoryName,
  digest: Digest,
): Promise<boolean> {
  const { storage } = services;
  // One that is damaged has no subject, which must not keep it from being deleted.
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
