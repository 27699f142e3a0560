/** The result of a collection, or of its dry run. */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";

export interface CollectedRepository {
  readonly name: RepositoryName;
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
  /** Blobs that no manifest names but a lease protects. */
  readonly leased: number;
  /** Why possible garbage stays: an unreadable object may name it, or it cannot be removed. */
  readonly skipped?: string;
}

export interface KeptContents {
  readonly contents: number;
  readonly bytes: number;
  /** Milliseconds since the epoch: a later collection frees all of them that are not shared by then. */
  readonly until: number;
}

export interface GarbageReport {
  readonly dryRun: boolean;
  /** Repositories in which an object was collected, or could not be. */
  readonly repositories: readonly CollectedRepository[];
  readonly manifests: number;
  readonly blobs: number;
  /** Blobs in all repositories that no manifest names but a lease protects. */
  readonly leased: number;
  /** Manifests in all repositories that no tag needs, kept because they or those that need them are new or leased. */
  readonly spared: number;
  /** Bytes of the contents whose last link was removed. */
  readonly bytesFreed: number;
  /** Removed contents that no repository had. */
  readonly orphans: number;
  /** Contents that no repository has, but that a push may still share. */
  readonly kept?: KeptContents;
  /** Repositories removed from the catalog because they were empty; in a dry run, those that are empty now. */
  readonly emptied: readonly RepositoryName[];
  /** Milliseconds since the epoch, if everything is protected because not all leases are known. */
  readonly protectedUntil?: number;
}

/** Returns whether a collection removed nothing. */
export function isNothing({ repositories, orphans, emptied }: GarbageReport): boolean {
  return repositories.length === 0 && orphans === 0 && emptied.length === 0;
}
