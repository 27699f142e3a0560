/** Events: the effects of requests on a repository, reported after the request. */
import type { StoredManifest } from "../cache/caches.js";
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";

export interface BlobFacts {
  readonly digest: Digest;
  /** Size of the content in bytes. */
  readonly size: number;
}

export type RegistryEvent =
  | {
      readonly action: "pull" | "push";
      readonly manifest: StoredManifest;
      /** The tag by which it was pulled, or that now points to it. */
      readonly tag: Tag | undefined;
    }
  | { readonly action: "pull" | "push"; readonly blob: BlobFacts }
  | {
      readonly action: "mount";
      readonly blob: BlobFacts;
      /** The source repository; `undefined` if the blob was found without naming one. */
      readonly from: RepositoryName | undefined;
    }
  /** A manifest or a blob. */
  | { readonly action: "delete"; readonly digest: Digest }
  | { readonly action: "delete"; readonly tag: Tag };

export type Action = RegistryEvent["action"];
