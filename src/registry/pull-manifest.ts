/** Pulls manifests (distribution-spec, end-3). Synchronous if the manifest is in memory. */
import type { PullPermit } from "../auth/gate.js";
import type { StoredManifest } from "../cache/caches.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { assert } from "../lib/assert.js";
import { noSpans, type Spans } from "../lib/spans.js";
import { lease } from "./lease.js";
import type { Services } from "./services.js";
import type { WantedManifest } from "./wanted-manifest.js";

/** Returns the wanted manifest. Throws or rejects with `manifest-unknown`. */
export function pullManifest(
  services: Services,
  { name }: PullPermit,
  wanted: WantedManifest,
  spans: Spans = noSpans,
): StoredManifest | Promise<StoredManifest> {
  const { reference, tagKey } = wanted;
  assert(wanted.name === name, "the permit is for the wanted manifest's repository");
  const digest = reference.kind === "digest" ? reference.digest : tagKey && services.caches.tags.get(tagKey);
  const key = digest && wanted.keyOf(digest);
  const kept = key && services.caches.manifests.get(key);
  if (key === undefined || kept === undefined)
    return spans.during("open", () => readManifest(services, wanted));
  services.cluster.leases.renew(key);
  notePull(services, wanted);
  return kept;
}

/** Records only existing tags: requests for unknown tags must not evict the records of pulled ones. */
function notePull({ pulls }: Services, { name, reference, tagKey }: WantedManifest): void {
  if (reference.kind === "tag") pulls.note(name, reference.tag, tagKey);
}

async function readManifest(services: Services, wanted: WantedManifest): Promise<StoredManifest> {
  const { name, reference } = wanted;
  const digest =
    reference.kind === "digest" ? reference.digest : await resolveTag(services, name, reference.tag);
  const manifest =
    digest && (await lease(services, name, digest, () => loadManifest(services, name, digest)));
  if (manifest === undefined) {
    throw new RegistryError("manifest-unknown", "no such manifest in this repository", {
      reference: reference.kind === "digest" ? reference.digest : reference.tag,
    });
  }
  notePull(services, wanted);
  return manifest;
}

/** Returns the digest to which a tag points, or `undefined` if there is no such tag. */
export async function resolveTag(
  services: Pick<Services, "caches" | "storage">,
  name: RepositoryName,
  tag: Tag,
): Promise<Digest | undefined> {
  const { tags } = services.storage;
  return services.caches.tags.load(`${name}:${tag}`, async () => {
    const digest = await tags.resolve(name, tag);
    if (digest !== undefined && !services.storage.readOnly) await tags.mend(name, tag, digest);
    return digest;
  });
}

/**
 * Returns the manifest, or `undefined` if the repository has none with that digest, or a damaged one. Counts no pull and grants
 * no lease.
 */
export async function loadManifest(
  services: Pick<Services, "caches" | "storage" | "manifestReader" | "onStray">,
  name: RepositoryName,
  digest: Digest,
): Promise<StoredManifest | undefined> {
  return services.caches.manifests.load(`${name}@${digest}`, async () => {
    const bytes = await services.storage.manifests.read(name, digest);
    if (bytes === undefined) return undefined;
    if (bytes !== "unreadable") {
      const mediaType = await services.manifestReader.storedMediaType(bytes, digest);
      if (mediaType !== undefined) return { digest, bytes, mediaType };
    }
    // A damaged manifest counts as absent, so that a client that has the manifest pushes it again, which repairs it.
    services.onStray(`${name}@${digest}`, "the manifest's bytes do not have its digest");
    return undefined;
  });
}
