/** Leases protect an object from collection after a client was told that it exists. */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/**
 * Resolves with the result of `look`. The object counts as leased from before the look: a later collector keeps it, and the
 * look waits for an earlier one.
 */
export function lease<T>(
  { cluster }: Services,
  name: RepositoryName,
  digest: Digest,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  return cluster.leases.during(`${name}@${digest}`, look);
}
