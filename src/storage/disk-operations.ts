/** Operations of operators' commands that only a storage on a local disk has. Serving clients does not need them. */
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { TagNote } from "../domain/tag-history.js";

/** A file in the store's directory that the registry did not create. */
export interface StrayFile {
  /** Path relative to the store's directory. */
  readonly path: string;
  readonly why: string;
  /** Whether it occupies the path of an object, which therefore cannot be pushed. */
  readonly inTheWay: boolean;
  /** Whether it belongs there but cannot be read. */
  readonly unread?: boolean;
}

export interface DiskOperations {
  /** Returns whether the copy of the manifest beside the tag's pointer is correct. `TagStore.mend` repairs it. */
  isTagCopied(name: RepositoryName, tag: Tag, digest: Digest): Promise<boolean>;
  strayFiles(): AsyncIterable<StrayFile>;
  /** Moves the file to quarantine. Returns whether it existed. */
  quarantineStrayFile(stray: StrayFile): Promise<boolean>;
  /**
   * Moves a content to quarantine if it is still damaged, and returns whether it was. Repositories may still have the
   * damaged bytes.
   */
  quarantineContent(digest: Digest): Promise<boolean>;
  /** Like `quarantineContent`, for a repository's blob. */
  quarantineBlob(name: RepositoryName, digest: Digest): Promise<boolean>;
  /** Moves the file at the manifest's path to quarantine. Returns whether there was one. */
  quarantineManifest(name: RepositoryName, digest: Digest): Promise<boolean>;
  /** Like `quarantineManifest`, for a tag. With `note` its history remains in the store. */
  quarantineTag(name: RepositoryName, tag: Tag, note?: TagNote): Promise<boolean>;
}
