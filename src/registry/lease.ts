/** Telling a client that something is there, and keeping it there for the time of a lease. */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/**
 * What `look` finds of the object, protected from before the look on: a collector that comes later finds
 * that, and one that was first is waited for. Not to be called with the repository's
 * lock held, since a collector may be waiting for that.
 */
export function lease<T>(
  { protection, cluster }: Services,
  name: RepositoryName,
  digest: Digest,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  const key = `${name}@${digest}` as const;
  return protection.during(key, async () => {
    if (protection.isCondemned(key)) await cluster.repositoryLocks.shared(name, async () => {});
    return look();
  });
}
