/** Immutable images: the whole image of an immutable tag is protected, not only the tag. */
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { isImmutable } from "../gc/retention.js";
import { inParallel } from "../lib/in-parallel.js";
import { readUsableManifest } from "./read-manifest.js";
import type { Services } from "./services.js";

/** Manifests read concurrently. */
const looksAtOnce = 64;

/**
 * Rejects with `denied` if the image of an immutable tag contains the blob or manifest, also below an index. Call it with
 * the repository's lock held. It walks the images of the repository's immutable tags, and costs nothing if the policy has
 * none.
 */
export async function checkNotOfImmutable(
  services: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<void> {
  const { tagPolicy } = services.rules;
  if (tagPolicy.immutable.length === 0) return;
  const tags = (await services.storage.tags.list(name)) ?? [];
  const immutable = tags.filter((tag) => isImmutable(tagPolicy, name, tag));
  const seen = new Set<Digest>();
  await inParallel(services.storage.tags.targets(name, immutable), looksAtOnce, async (target) => {
    const { tag, digest: root } = target;
    if (root !== undefined && (await hasBelow(services, name, root, digest, seen))) throw ofImmutable(tag);
  });
}

/** Returns whether the manifest `root` is the wanted object or names it, directly or through other manifests. */
async function hasBelow(
  services: Services,
  name: RepositoryName,
  root: Digest,
  wanted: Digest,
  seen: Set<Digest>,
): Promise<boolean> {
  const pending = [root];
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    if (digest === wanted) return true;
    if (seen.has(digest)) continue;
    seen.add(digest);
    const { named, children } = await namedBy(services, name, digest);
    if (named.includes(wanted)) return true;
    pending.push(...children);
  }
  return false;
}

/** Returns nothing if the manifest is absent, as in a sparse index, or damaged. */
async function namedBy(
  services: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<{ readonly named: readonly Digest[]; readonly children: readonly Digest[] }> {
  const kept = services.caches.manifests.get(`${name}@${digest}`)?.bytes;
  const manifest =
    kept === undefined
      ? (await readUsableManifest(services, name, digest))?.manifest
      : await services.manifestReader.stored(kept, digest);
  return { named: manifest?.named ?? [], children: manifest?.children.map((child) => child.digest) ?? [] };
}

function ofImmutable(tag: Tag): RegistryError {
  return new RegistryError("denied", `it belongs to the image of the immutable tag ${tag}`, { tag });
}
