/** What a request has done in a repository, or got of it, as it is told to others when it is done. */
import type { StoredManifest } from "../cache/caches.js";
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";

export interface BlobFacts {
  readonly digest: Digest;
  /** Bytes of the content. */
  readonly size: number;
}

export type RegistryEvent =
  | {
      readonly action: "pull" | "push";
      readonly manifest: StoredManifest;
      /** By which it was pulled, or that was pointed to it. */
      readonly tag: Tag | undefined;
    }
  | { readonly action: "pull" | "push"; readonly blob: BlobFacts }
  | {
      readonly action: "mount";
      readonly blob: BlobFacts;
      /** Where it was mounted from; `undefined` where that was anywhere. */
      readonly from: RepositoryName | undefined;
    }
  /** A manifest or a blob. */
  | { readonly action: "delete"; readonly digest: Digest }
  | { readonly action: "delete"; readonly tag: Tag };

export type Action = RegistryEvent["action"];
