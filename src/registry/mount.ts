/** Mounting a blob from another repository (distribution-spec, end-11). */
import type { PushPermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

export interface MountedBlob {
  /** Bytes of the content. */
  readonly size: number;
  /** Where it was found; `undefined` where that was anywhere. */
  readonly from: RepositoryName | undefined;
}

/**
 * Makes the blob one of the permit's repository as well, where `from` has it or, if that is allowed, where
 * anybody has. `undefined` where it could not; then the client uploads it. A source that the caller may not pull
 * from is like one that is not there. Rejects with `insufficient-scope` where another token would do.
 */
export async function mountBlob(
  services: Services,
  { name: to, sources }: PushPermit,
  digest: Digest,
  from: RepositoryName | undefined,
): Promise<MountedBlob | undefined> {
  if (from !== undefined) return sources.ask(from) ? mountFrom(services, digest, to, from) : undefined;
  if (!services.rules.anonymousMount) return undefined;
  if (sources.all) return mountFrom(services, digest, to, undefined);
  for (const home of services.caches.blobHomes.of(digest)) {
    const mounted = sources.has(home) ? await mountFrom(services, digest, to, home) : undefined;
    if (mounted !== undefined) return mounted;
  }
  return undefined;
}

async function mountFrom(
  services: Services,
  digest: Digest,
  to: RepositoryName,
  from: RepositoryName | undefined,
): Promise<MountedBlob | undefined> {
  return services.cluster.repositoryLocks.shared(to, async () => {
    const size = await services.storage.blobs.mount(digest, to, from);
    if (size === undefined) return undefined;
    services.cluster.leases.grant(`${to}@${digest}`);
    services.caches.blobSeen(to, digest, size);
    return { size, from };
  });
}
