/** Deleting tags, manifests and blobs (distribution-spec, end-9 and end-10), behind one switch. */
import type { DeletePermit } from "../auth/gate.js";
import { forgetAround } from "../cache/forget-around.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import { inParallel } from "../domain/in-parallel.js";
import { parseManifest } from "../domain/manifest.js";
import type { Reference, Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { isImmutable } from "../gc/retention.js";
import { checkNotOfImmutable } from "./immutable-images.js";
import type { Occurrence } from "./occurrence.js";
import { resolveTag } from "./pull-manifest.js";
import type { Services } from "./services.js";
import { immutable, tagRemoved, tagUnsure } from "./tags.js";

/**
 * Deletes the tag, or the manifest with all tags that point to it. What was deleted, a manifest before its tags.
 * Rejects with `manifest-unknown` or `delete-disabled`.
 */
export async function deleteManifest(
  services: Services,
  { name }: DeletePermit,
  reference: Reference,
): Promise<readonly Occurrence[]> {
  checkSwitch(services);
  const deleted = await (reference.kind === "tag"
    ? services.repositoryLocks.exclusive(name, () => untag(services, name, reference.tag))
    : removeManifest(services, name, reference.digest));
  if (deleted === undefined)
    throw new RegistryError("manifest-unknown", "no such manifest in this repository");
  const tags = deleted.toSorted().map((tag) => ({ action: "delete", tag }) as const);
  return reference.kind === "tag" ? tags : [{ action: "delete", digest: reference.digest }, ...tags];
}

/** Rejects with `blob-unknown` or `delete-disabled`. */
export async function deleteBlob(services: Services, { name }: DeletePermit, digest: Digest): Promise<void> {
  checkSwitch(services);
  const freed = await services.repositoryLocks.exclusive(name, async () => {
    await checkNotOfImmutable(services, name, digest);
    return removeBlob(services, name, digest);
  });
  if (freed === undefined)
    throw new RegistryError("blob-unknown", "no such blob in this repository", { digest });
}

/**
 * Removes a blob. To be called with the repository's lock held. Bytes that it freed, `undefined` where it
 * was not there.
 */
export async function removeBlob(
  services: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<number | undefined> {
  return forgetAround(
    () => services.caches.forgetBlob(name, digest),
    () => services.storage.blobs.remove(name, digest),
  );
}

function checkSwitch(services: Services): void {
  if (!services.rules.deleteEnabled) throw new RegistryError("delete-disabled", "deletion is disabled");
}

function checkImmutable(services: Services, name: RepositoryName, tag: Tag): void {
  if (isImmutable(services.rules.tagPolicy, name, tag)) throw immutable(tag);
}

/** The tag; `undefined` where it was not there. */
async function untag(services: Services, name: RepositoryName, tag: Tag): Promise<Tag[] | undefined> {
  checkImmutable(services, name, tag);
  return (await removeTag(services, name, tag)) ? [tag] : undefined;
}

/** To be called with the repository's lock held. Whether it was there. */
export async function removeTag(services: Services, name: RepositoryName, tag: Tag): Promise<boolean> {
  try {
    const removed = await services.storage.tags.remove(name, tag);
    tagRemoved(services, name, tag);
    return removed;
  } catch (error) {
    tagUnsure(services, name, tag);
    throw error;
  }
}

/** Tags looked at at a time, and removed under one hold of the repository's lock: they share the syncs of their folder. */
const tagsAtOnce = 64;

/**
 * The tags go first: a crash in between leaves a manifest without tags, never a tag without manifest. All but
 * the last of many go in batches, between which pushes have their turn. The tags that went; `undefined` where the
 * manifest was not there.
 */
async function removeManifest(
  services: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<Tag[] | undefined> {
  const removed: Tag[] = [];
  // Here too, before any of its tags is gone.
  await checkNotOfImmutable(services, name, digest);
  for (let tags = await tagsOf(services, name, digest); tags.length > tagsAtOnce; ) {
    const batch = tags.splice(0, tagsAtOnce);
    await services.repositoryLocks.exclusive(name, async () => {
      removed.push(...(await removeTags(services, name, digest, batch)));
    });
  }
  return services.repositoryLocks.exclusive(name, async () => {
    await checkNotOfImmutable(services, name, digest);
    removed.push(...(await removeTags(services, name, digest, await tagsOf(services, name, digest))));
    return (await removeUntagged(services, name, digest)) ? removed : undefined;
  });
}

/** The tags that point to the manifest. Rejects with `denied` where one of them is immutable. */
async function tagsOf(services: Services, name: RepositoryName, digest: Digest): Promise<Tag[]> {
  const tags: Tag[] = [];
  await inParallel((await services.storage.tags.list(name)) ?? [], tagsAtOnce, async (tag) => {
    if ((await resolveTag(services, name, tag)) === digest) tags.push(tag);
  });
  for (const tag of tags) checkImmutable(services, name, tag);
  return tags;
}

/** Removes those of `tags` that point to the manifest still, and gives them. */
async function removeTags(
  services: Services,
  name: RepositoryName,
  digest: Digest,
  tags: readonly Tag[],
): Promise<Tag[]> {
  const removed: Tag[] = [];
  await inParallel(tags, tagsAtOnce, async (tag) => {
    if ((await resolveTag(services, name, tag)) !== digest) return;
    if (await removeTag(services, name, tag)) removed.push(tag);
  });
  return removed;
}

/**
 * Removes a manifest that no tag points to, and then its entry as a referrer: a crash in between leaves an
 * entry that nobody is told of. To be called with the repository's lock held. Whether it was there.
 */
export async function removeUntagged(
  services: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<boolean> {
  const { caches, storage } = services;
  const bytes = await storage.manifests.read(name, digest);
  const removed = await forgetAround(
    () => caches.manifests.delete(`${name}@${digest}`),
    async () => bytes !== undefined && storage.manifests.remove(name, digest),
  );
  const subject = bytes && subjectOf(bytes);
  if (subject !== undefined) await storage.referrers.remove(name, subject, digest);
  return removed;
}

/** The subject that the manifest names. None where a hand has damaged the manifest: that must not keep it from being deleted. */
export function subjectOf(bytes: Uint8Array): Digest | undefined {
  try {
    return parseManifest(bytes, "").subject?.digest;
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}
