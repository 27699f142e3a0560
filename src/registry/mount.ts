/** Mounting a blob from another repository (distribution-spec, end-11). */
import type { PushPermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/**
 * Makes the blob one of the permit's repository as well, where `from` has it or, if that is allowed, where
 * anybody has. Whether it could; where not, the client uploads it. A source that the caller may not pull from
 * is like one that is not there.
 */
export async function mountBlob(
  services: Services,
  { name: to, sources }: PushPermit,
  digest: Digest,
  from: RepositoryName | undefined,
): Promise<boolean> {
  if (from !== undefined) return sources.has(from) && mountFrom(services, digest, to, from);
  if (!services.rules.anonymousMount) return false;
  if (sources.all) return mountFrom(services, digest, to, undefined);
  for (const home of services.caches.blobHomes.of(digest)) {
    if (sources.has(home) && (await mountFrom(services, digest, to, home))) return true;
  }
  return false;
}

async function mountFrom(
  services: Services,
  digest: Digest,
  to: RepositoryName,
  from: RepositoryName | undefined,
): Promise<boolean> {
  return services.repositoryLocks.shared(to, async () => {
    const size = await services.storage.blobs.mount(digest, to, from);
    if (size === undefined) return false;
    services.protection.grant(`${to}@${digest}`);
    services.caches.blobSeen(to, digest, size);
    return true;
  });
}
