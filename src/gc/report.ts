/** What a collection has removed, or would. */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";

export interface CollectedRepository {
  readonly name: RepositoryName;
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
  /** What no manifest names, but a lease protects. */
  readonly leased: number;
  /** Why something of it stays that may be garbage: what cannot be read may name it, or the disk does not let it go. */
  readonly skipped?: string;
}

export interface GarbageReport {
  readonly dryRun: boolean;
  /** Those of which something was collected or could not be. */
  readonly repositories: readonly CollectedRepository[];
  readonly manifests: number;
  readonly blobs: number;
  /** Bytes of the contents whose last link went. */
  readonly bytesFreed: number;
  /** Contents that no repository had. */
  readonly orphans: number;
  /** Repositories that had nothing any more and left the catalog; a dry run tells those that have nothing now. */
  readonly emptied: readonly RepositoryName[];
  /** Milliseconds since the epoch, where everything was protected because not all leases are known. */
  readonly protectedUntil?: number;
}

/** Whether a collection has nothing to tell but that it ran. */
export function isNothing({ repositories, orphans, emptied }: GarbageReport): boolean {
  return repositories.length === 0 && orphans === 0 && emptied.length === 0;
}
