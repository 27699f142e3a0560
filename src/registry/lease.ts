/** Telling a client that something is there, and keeping it there for the time of a lease. */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/**
 * What `look` finds of the object, with a lease on it that began before the look: a collector that comes
 * later finds the lease, and one that was first is waited for. Not to be called with the repository's
 * lock held, since a collector may be waiting for that.
 */
export async function lease<T>(
  { protection, repositoryLocks }: Services,
  name: RepositoryName,
  digest: Digest,
  look: () => T | Promise<T>,
): Promise<T> {
  const key = `${name}@${digest}` as const;
  const granted = protection.grant(key);
  if (protection.isCondemned(key)) await repositoryLocks.shared(name, async () => {});
  const found = await look();
  if (found === undefined) protection.retract(key, granted);
  return found;
}
