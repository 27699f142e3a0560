/** Mounting a blob from another repository (distribution-spec, end-11). */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/**
 * Makes the blob one of `to` as well, where `from` has it or, if that is allowed, where anybody has.
 * Whether it could; where not, the client uploads it.
 */
export async function mountBlob(
  services: Services,
  digest: Digest,
  to: RepositoryName,
  from: RepositoryName | undefined,
): Promise<boolean> {
  if (from === undefined && !services.rules.anonymousMount) return false;
  return services.repositoryLocks.shared(to, async () => {
    const size = await services.storage.blobs.mount(digest, to, from);
    if (size === undefined) return false;
    const key = `${to}@${digest}` as const;
    services.protection.grant(key);
    services.caches.blobSizes.set(key, size);
    return true;
  });
}
