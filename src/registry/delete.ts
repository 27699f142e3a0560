/** Deleting tags, manifests and blobs (distribution-spec, end-9 and end-10), behind one switch. */
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import { parseManifest } from "../domain/manifest.js";
import type { Reference, Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { loadManifest, resolveTag } from "./pull-manifest.js";
import type { Services } from "./services.js";
import { tagRemoved } from "./tags.js";

/** Deletes the tag, or the manifest with all tags that point to it. Rejects with `manifest-unknown` or `delete-disabled`. */
export async function deleteManifest(
  services: Services,
  name: RepositoryName,
  reference: Reference,
): Promise<void> {
  checkSwitch(services);
  const deleted = await services.repositoryLocks.exclusive(name, () =>
    reference.kind === "tag"
      ? removeTag(services, name, reference.tag)
      : removeManifest(services, name, reference.digest),
  );
  if (!deleted) throw new RegistryError("manifest-unknown", "no such manifest in this repository");
}

/** Rejects with `blob-unknown` or `delete-disabled`. */
export async function deleteBlob(services: Services, name: RepositoryName, digest: Digest): Promise<void> {
  checkSwitch(services);
  const deleted = await services.repositoryLocks.exclusive(name, async () => {
    const removed = await services.storage.blobs.remove(name, digest);
    services.caches.forgetBlob(name, digest);
    return removed;
  });
  if (!deleted) throw new RegistryError("blob-unknown", "no such blob in this repository", { digest });
}

function checkSwitch(services: Services): void {
  if (!services.rules.deleteEnabled) throw new RegistryError("delete-disabled", "deletion is disabled");
}

async function removeTag(services: Services, name: RepositoryName, tag: Tag): Promise<boolean> {
  const removed = await services.storage.tags.remove(name, tag);
  tagRemoved(services, name, tag);
  return removed;
}

/** The tags go first: a crash in between leaves a manifest without tags, never a tag without manifest. */
async function removeManifest(services: Services, name: RepositoryName, digest: Digest): Promise<boolean> {
  const manifest = await loadManifest(services, name, digest);
  if (manifest === undefined) return false;
  for (const tag of (await services.storage.tags.list(name)) ?? []) {
    if ((await resolveTag(services, name, tag)) === digest) await removeTag(services, name, tag);
  }
  const { subject } = parseManifest(manifest.bytes, "");
  if (subject !== undefined) await services.storage.referrers.remove(name, subject.digest, digest);
  const removed = await services.storage.manifests.remove(name, digest);
  services.caches.manifests.delete(`${name}@${digest}`);
  return removed;
}
