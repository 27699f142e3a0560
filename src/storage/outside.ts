/** Bytes outside of a storage that it can make a blob without receiving them. */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";

/** A file outside of the storage. */
export interface OutsideFile {
  readonly file: string;
}

/** An object of an S3-compatible store, in any of its buckets. */
export interface OutsideObject {
  /** Identifies the store among all, not the bucket. */
  readonly store: string;
  readonly bucket: string;
  /** With its prefix. */
  readonly key: string;
  /** In bytes. */
  readonly size: number;
}

export type Outside = OutsideFile | OutsideObject;

/** How the storage adopted the bytes: it shares them with the outside file, or has its own copy. */
export type Adoption = "linked" | "cloned" | "copied" | "copiedInStore";

export interface Adopted {
  readonly how: Adoption;
  /** Whether this replaced damaged bytes of the digest. */
  readonly healed: boolean;
  /** Whether the bytes are known to have the digest. */
  readonly checked: boolean;
}

export interface Adopter {
  /**
   * Makes outside bytes the blob `digest` of the repository. They are only ever read. Their digest is verified if they pass
   * through this process or if `check` says so: rejects with `digest-mismatch`. Resolves with `undefined` if they cannot be
   * adopted, so that they must be uploaded.
   */
  adopt(outside: Outside, name: RepositoryName, digest: Digest, check: boolean): Promise<Adopted | undefined>;
}
