/** Mounts a blob from another repository (distribution-spec, end-11). */
import type { PushPermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

export interface MountedBlob {
  /** Size of the content in bytes. */
  readonly size: number;
  /** The source repository; `undefined` if the blob was found without naming one. */
  readonly from: RepositoryName | undefined;
}

/**
 * Adds the blob to the permit's repository if `from` has it or, if anonymous mounts are allowed, if any repository has it.
 * Returns `undefined` otherwise; then the client uploads it. A source that the caller may not pull from is treated as
 * absent. Rejects with `insufficient-scope` if another token would allow the mount.
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
