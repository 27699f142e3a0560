/** All caches of the registry, with their bounds. */
import type { Changes, TagsKey } from "../cluster/cluster.js";
import type { Digest } from "../domain/digest.js";
import type { ManifestMediaType } from "../domain/media-type.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { HitCounts } from "../lib/hit-counts.js";
import type { BlobUrl, Storage } from "../storage/storage.js";
import { BlobHomes } from "./blob-homes.js";
import { type BlobKey, OpenBlobs } from "./open-blobs.js";
import { ReadThroughCache } from "./read-through.js";
import type { TagList } from "./tag-list.js";

/** A manifest, ready to be sent. */
export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: ManifestMediaType;
  readonly bytes: Buffer;
}

export type ManifestKey = `${RepositoryName}@${Digest}`;
export type TagKey = `${RepositoryName}:${Tag}`;

const manifestCacheBytes = 32 * 1024 * 1024;
const smallBlobCacheBytes = 32 * 1024 * 1024;
/** Configs and tiny layers. Larger blobs are read from the page cache. */
export const smallBlobBytesMax = 64 * 1024;
/** About 200 bytes each. */
const tagCacheEntries = 100_000;
const blobSizeCacheEntries = 100_000;
const blobUrlCacheEntries = 10_000;
/** A million short tags. */
const tagListCacheBytes = 64 * 1024 * 1024;

/** Overhead of an entry (keys and objects), counted so that tiny values cannot exceed the bound. */
const entryBytes = 512;

export class Caches {
  readonly manifests: ReadThroughCache<ManifestKey, StoredManifest>;
  readonly tags: ReadThroughCache<TagKey, Digest>;
  readonly tagLists: ReadThroughCache<RepositoryName, TagList>;
  readonly blobSizes: ReadThroughCache<BlobKey, number>;
  readonly smallBlobs: ReadThroughCache<BlobKey, Buffer>;
  /** Addresses of blobs in the store, about 1 KiB each. */
  readonly blobUrls: ReadThroughCache<BlobKey, BlobUrl>;
  readonly blobHomes = new BlobHomes();
  readonly openBlobs: OpenBlobs;

  /**
   * `changes` tells whether the caches are current; without it, nobody else changes the storage. `idleBlobsMax` blobs that nobody
   * reads stay open.
   */
  constructor(
    storage: Storage,
    changes?: Pick<Changes, "knows" | "knowsTags" | "follow">,
    idleBlobsMax?: number,
  ) {
    const content = () => changes?.knows("content") ?? true;
    const tags = (key: TagsKey) => changes?.knowsTags(key) ?? true;
    const follow = (key: TagsKey) => changes?.follow(key);
    const sizeOf = ({ length }: Buffer) => length + entryBytes;
    this.manifests = new ReadThroughCache(
      { maxSize: manifestCacheBytes, sizeOf: ({ bytes }) => sizeOf(bytes) },
      content,
    );
    this.tags = new ReadThroughCache<TagKey, Digest>({ max: tagCacheEntries }, tags, follow);
    this.tagLists = new ReadThroughCache<RepositoryName, TagList>(
      { maxSize: tagListCacheBytes, sizeOf: ({ bytes }) => bytes },
      tags,
      follow,
    );
    this.blobSizes = new ReadThroughCache({ max: blobSizeCacheEntries }, content);
    this.smallBlobs = new ReadThroughCache({ maxSize: smallBlobCacheBytes, sizeOf }, content);
    this.blobUrls = new ReadThroughCache({ max: blobUrlCacheEntries }, content);
    this.openBlobs = new OpenBlobs(storage.blobs, content, idleBlobsMax);
  }

  /** Hit counts by name of the cache. */
  get lookups(): Readonly<Record<string, HitCounts>> {
    return {
      manifests: this.manifests.lookups,
      tags: this.tags.lookups,
      tag_lists: this.tagLists.lookups,
      blob_sizes: this.blobSizes.lookups,
      small_blobs: this.smallBlobs.lookups,
      blob_urls: this.blobUrls.lookups,
      blob_homes: this.blobHomes.lookups,
      open_blobs: this.openBlobs.lookups,
      blob_chunks: this.openBlobs.chunks.lookups,
    };
  }

  /** Call it when the repository is known to have the blob. */
  blobSeen(name: RepositoryName, digest: Digest, size: number): void {
    this.blobSizes.set(`${name}@${digest}`, size);
    this.blobHomes.seen(name, digest);
  }

  /** Call it when a blob was added to the repository, perhaps with another file. */
  blobStored(name: RepositoryName, digest: Digest, size: number | undefined): void {
    this.forgetBlob(name, digest);
    if (size !== undefined) this.blobSeen(name, digest, size);
  }

  /** Call it when the repository's blob was removed or replaced. */
  forgetBlob(name: RepositoryName, digest: Digest): void {
    const key = `${name}@${digest}` as const;
    this.blobSizes.delete(key);
    this.smallBlobs.delete(key);
    this.blobUrls.delete(key);
    this.openBlobs.forget(key);
  }

  /** Call it when content has changed under its digest, which only damage and its repair can cause. */
  forgetBlobs(): void {
    this.blobSizes.clear();
    this.smallBlobs.clear();
    this.blobUrls.clear();
    this.openBlobs.clear();
  }

  /** Call it when it is unknown where tags point. */
  forgetTags(): void {
    this.tags.clear();
    this.tagLists.clear();
  }

  /** Call it when it is unknown what has changed. */
  forgetAll(): void {
    this.forgetBlobs();
    this.manifests.clear();
    this.forgetTags();
  }
}
