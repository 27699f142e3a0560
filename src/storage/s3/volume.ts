/** The bucket: tests writes. It has no limit that the protocol tells. */
import { randomUUID } from "node:crypto";
import type { Space, Volume } from "../storage.js";
import type { S3Client } from "./client.js";
import { keys } from "./keys.js";

export class S3Volume implements Volume {
  constructor(readonly client: S3Client) {}

  async probe(): Promise<void> {
    const key = keys.probe(randomUUID());
    await this.client.put(key, Buffer.from("probe\n"));
    await this.client.delete(key);
  }

  async space(): Promise<Space | undefined> {
    return undefined;
  }
}
