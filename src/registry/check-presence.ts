/** Checks before the push of a manifest that the repository has what the manifest names. */

import { setImmediate } from "node:timers/promises";
import type { Descriptor } from "../domain/descriptor.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError, RegistryErrors } from "../domain/errors.js";
import type { ManifestContent } from "../domain/manifest.js";
import { isManifestMediaType } from "../domain/media-type.js";
import type { Mismatch } from "../domain/pushed-manifest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/** Returns the error for a descriptor that does not match its content, or `undefined` to accept it. */
export type Refuse = (mismatch: Mismatch) => RegistryError | undefined;

/** Descriptors looked up concurrently: a manifest of 4 MiB may name 30,000. */
const lookupsAtOnce = 64;

/** Maximum number of absent blobs that an error lists. */
const missingReportedMax = 100;

/**
 * Rejects with `manifest-blob-unknown` for named content that the repository lacks, and with what `refuse` returns for content of
 * another size than the manifest says. Call it with the objects noted, so that no collection removes them meanwhile.
 */
export async function checkPresence(
  services: Services,
  name: RepositoryName,
  manifest: ManifestContent,
  refuse: Refuse,
): Promise<void> {
  const missing: RegistryError[] = [];
  const lookups = lookupsOf(services, name, manifest, refuse);
  for (;;) {
    const batch = take(lookups, lookupsAtOnce);
    for (const error of await Promise.all(batch)) if (error !== undefined) missing.push(error);
    if (missing.length >= missingReportedMax || batch.length < lookupsAtOnce) break;
    // Yields to the event loop: awaiting answers from memory does not.
    await setImmediate();
  }
  const [first, ...others] = missing;
  if (first !== undefined) throw new RegistryErrors([first, ...others.slice(0, missingReportedMax - 1)]);
}

/** Each check starts when the generator yields it. */
function* lookupsOf(
  services: Services,
  name: RepositoryName,
  { blobs, children }: ManifestContent,
  refuse: Refuse,
): Generator<Promise<RegistryError | undefined>> {
  for (const blob of blobs) yield checkBlob(services, name, blob, refuse);
  for (const child of children) yield checkChild(services, name, child, refuse);
}

/** Returns the next `count` items, or the remaining ones. */
function take<T>(source: Iterator<T>, count: number): T[] {
  const taken: T[] = [];
  while (taken.length < count) {
    const next = source.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}

async function checkBlob(
  services: Services,
  name: RepositoryName,
  { digest, size }: Descriptor,
  refuse: Refuse,
): Promise<RegistryError | undefined> {
  const found = await presentSize(services, name, digest);
  if (found === undefined) return absent("blob", digest);
  return found === size ? undefined : refuse(wrongSize(digest, size, found));
}

/** Bypasses shared reads: they may wait for the lock that is held here. */
async function presentSize(
  { caches, storage }: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<number | undefined> {
  return caches.blobSizes.get(`${name}@${digest}`) ?? (await storage.blobs.size(name, digest));
}

/** An entry of an index may also be a blob if its media type is not a manifest's, as in BuildKit's caches. */
async function checkChild(
  services: Services,
  name: RepositoryName,
  child: Descriptor,
  refuse: Refuse,
): Promise<RegistryError | undefined> {
  const { digest, size, mediaType } = child;
  const kept = services.caches.manifests.get(`${name}@${digest}`)?.bytes.length;
  const found = kept ?? (await services.storage.manifests.size(name, digest));
  if (found === undefined)
    return isManifestMediaType(mediaType)
      ? absent("manifest", digest)
      : checkBlob(services, name, child, refuse);
  return found === size ? undefined : refuse(wrongSize(digest, size, found));
}

function absent(what: string, digest: Digest): RegistryError {
  return new RegistryError("manifest-blob-unknown", `the repository has no such ${what}`, { digest });
}

function wrongSize(digest: Digest, size: number, found: number): Mismatch {
  return { what: `a descriptor has the size ${size}, but its content has ${found}`, digest, size };
}
