/** Telling a client that something is there, and keeping it there for the time of a lease. */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/**
 * Resolves with what `look` finds of the object, which counts as leased from before the look: a collector that comes later
 * leaves it, and one that came first is waited for.
 */
export function lease<T>(
  { cluster }: Services,
  name: RepositoryName,
  digest: Digest,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  return cluster.leases.during(`${name}@${digest}`, look);
}
