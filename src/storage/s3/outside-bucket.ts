/** Reads a bucket, or a prefix of it, that another program has written. */
import type { OutsideBucket } from "../outside-bucket.js";
import { objectReader } from "./blob-reader.js";
import type { S3Client } from "./client.js";
import { ifTooLarge, withPortErrors } from "./failure.js";
import { outsideObject } from "./outside-object.js";
import { type ReadableBucketOptions, readingClient } from "./read.js";

export function openOutsideBucket(options: Omit<ReadableBucketOptions, "onStray">): OutsideBucket {
  return withPortErrors(new S3OutsideBucket(readingClient(options)));
}

class S3OutsideBucket implements OutsideBucket {
  constructor(readonly client: S3Client) {}

  async *folders(prefix: string): AsyncIterable<string> {
    for await (const folder of this.client.listFolders(prefix)) yield folder.slice(prefix.length, -1);
  }

  async has(prefix: string): Promise<boolean> {
    for await (const _ of this.client.list(prefix, "", 1)) return true;
    return false;
  }

  async size(key: string): Promise<number | undefined> {
    return (await this.client.head(key))?.size;
  }

  async read(key: string, bytesMax: number): Promise<Buffer | "too large" | undefined> {
    try {
      return (await this.client.get(key, bytesMax))?.bytes;
    } catch (error) {
      ifTooLarge(error);
      return "too large";
    }
  }

  reader(key: string, size: number) {
    return objectReader(this.client, { key, size });
  }

  outside(key: string, size: number) {
    return outsideObject(this.client.requests.place, key, size);
  }

  close(): Promise<void> {
    return this.client.close();
  }
}
