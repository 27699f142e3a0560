/**
 * What operators' commands ask of a storage that is a folder on a disk. No other storage has these operations, and
 * nothing that serves clients uses them.
 */
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";

/** A file that lies outside of the storage. */
export interface OutsideFile {
  readonly file: string;
}

/** How the storage took bytes over: it shares them with the file outside, or has a copy of its own. */
export type Adoption = "linked" | "cloned" | "copied";

/** A file in the store's folder that no part of the registry has put there. */
export interface StrayFile {
  /** Relative to the store's folder. */
  readonly path: string;
  readonly why: string;
  /** Whether it lies in the place of something that cannot be pushed because of it. */
  readonly inTheWay: boolean;
  /** Whether it belongs there, and the disk does not tell what it holds. */
  readonly unread?: boolean;
}

export interface DiskOperations {
  /**
   * Makes a file outside of the storage the blob `digest` of the repository. The file is only read, now and ever
   * after. Its digest is checked if its bytes are copied or `check` says so: rejects with `digest-mismatch`. Resolves
   * with `undefined` if the file cannot be adopted, and its bytes have to come as an upload.
   */
  adopt(
    outside: OutsideFile,
    name: RepositoryName,
    digest: Digest,
    check: boolean,
  ): Promise<{ readonly how: Adoption; readonly healed: boolean } | undefined>;
  /** Returns whether the copy of the manifest beside the tag's pointer is right. `TagStore.mend` repairs it. */
  isTagCopied(name: RepositoryName, tag: Tag, digest: Digest): Promise<boolean>;
  strayFiles(): AsyncIterable<StrayFile>;
  /** Moves the file to the quarantine. Returns whether it was there. */
  quarantineStrayFile(stray: StrayFile): Promise<boolean>;
  /**
   * Moves a content to the quarantine if it is still damaged, and returns whether it was. Repositories may still have
   * the damaged bytes.
   */
  quarantineContent(digest: Digest): Promise<boolean>;
  /** The same for a repository's blob. */
  quarantineBlob(name: RepositoryName, digest: Digest): Promise<boolean>;
  /** Moves what is in the manifest's place to the quarantine. Returns whether anything was there. */
  quarantineManifest(name: RepositoryName, digest: Digest): Promise<boolean>;
  /** The same for a tag. */
  quarantineTag(name: RepositoryName, tag: Tag): Promise<boolean>;
}
