/**
 * A store of another registry of this kind, which this process only reads. It does not hold the store, so that a server may
 * run on it meanwhile: what that removes is missing then, but what is read is whole.
 */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Outside } from "./outside.js";
import type {
  BlobReader,
  BlobStore,
  ManifestStore,
  RepositoryStore,
  RobotStore,
  TagStore,
} from "./storage.js";

export interface ReadableBlob {
  /** In bytes. */
  readonly size: number;
  readonly outside: Outside;
  /** Resolves with `undefined` if the blob was removed meanwhile. */
  open(): Promise<BlobReader | undefined>;
}

export interface ReadableBlobs extends Pick<BlobStore, "list"> {
  /** Resolves with `undefined` if the repository has no such blob. */
  find(name: RepositoryName, digest: Digest): Promise<ReadableBlob | undefined>;
}

export interface ReadableStore {
  readonly repositories: Pick<RepositoryStore, "all">;
  readonly manifests: Pick<ManifestStore, "list" | "read">;
  readonly tags: Pick<TagStore, "list" | "targets" | "times">;
  readonly blobs: ReadableBlobs;
  readonly robots: Pick<RobotStore, "all">;
  close(): Promise<void>;
}
