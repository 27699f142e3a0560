/** Opens a store in a bucket for reading only: it needs no permission to write, takes no lock, and changes nothing. */
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { ReadableBlob, ReadableBlobs, ReadableStore } from "../readable-store.js";
import { objectReader } from "./blob-reader.js";
import { S3Client } from "./client.js";
import { parsePointer } from "./contents.js";
import type { CredentialSource } from "./credentials.js";
import { withPortErrors } from "./failure.js";
import { digestOfKey, keys } from "./keys.js";
import { s3Metadata } from "./metadata.js";
import { outsideObject } from "./outside-object.js";
import { type S3Limits, type S3Place, S3Requests } from "./requests.js";
import { identifyStore } from "./store-object.js";
import type { OnStray } from "./stored-records.js";

export interface ReadableBucketOptions {
  readonly place: S3Place;
  readonly limits: S3Limits;
  readonly credentials: CredentialSource;
  readonly onStray: OnStray;
}

/** Returns a client that refuses to change anything. */
export function readingClient({
  place,
  limits,
  credentials,
}: Omit<ReadableBucketOptions, "onStray">): S3Client {
  const before = () => {
    throw new Error("the store is only read");
  };
  return new S3Client(new S3Requests(place, limits, credentials.get, credentials.refused, { before }));
}

/** Rejects if there is no store. */
export async function openReadableBucket(options: ReadableBucketOptions): Promise<ReadableStore> {
  const client = readingClient(options);
  try {
    await identifyStore(client, false);
  } catch (error) {
    await client.close();
    throw error;
  }
  const { manifests, repositories, robots, tags } = s3Metadata(client, options.onStray);
  const blobs = withPortErrors(new ReadableS3Blobs(client, options.onStray));
  return { manifests, repositories, robots, tags, blobs, close: () => client.close() };
}

class ReadableS3Blobs implements ReadableBlobs {
  constructor(
    readonly client: S3Client,
    readonly onStray: OnStray,
  ) {}

  async list(name: RepositoryName): Promise<Digest[]> {
    const digests: Digest[] = [];
    for await (const { key } of this.client.list(keys.blobs(name))) {
      const digest = digestOfKey(key);
      if (digest !== undefined) digests.push(digest);
    }
    return digests;
  }

  async find(name: RepositoryName, digest: Digest): Promise<ReadableBlob | undefined> {
    const { client } = this;
    const key = keys.blob(name, digest);
    const found = await client.get(key);
    const pointer = found && parsePointer(found.bytes);
    if (found !== undefined && pointer === undefined) this.onStray(key, "is not a pointer to a blob");
    return (
      pointer && {
        size: pointer.size,
        outside: outsideObject(client.requests.place, pointer.key, pointer.size),
        open: async () => objectReader(client, pointer),
      }
    );
  }
}
