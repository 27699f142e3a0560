/** Slices of arriving blobs, each an object. */
import { type SliceStore, sliceBytesMax } from "../storage.js";
import type { S3Client } from "./client.js";
import { keys } from "./keys.js";
import type { Removals } from "./removals.js";

export class S3Slices implements SliceStore {
  constructor(
    readonly client: S3Client,
    readonly removals: Removals,
  ) {}

  async put(fetch: string, position: number, bytes: Uint8Array): Promise<void> {
    await this.client.put(keys.slice(fetch, position), bytes);
  }

  async read(fetch: string, position: number): Promise<Uint8Array | undefined> {
    return (await this.client.get(keys.slice(fetch, position), sliceBytesMax))?.bytes;
  }

  remove(fetch: string, positions: Iterable<number>): void {
    for (const position of positions) this.removals.add(keys.slice(fetch, position));
  }
}
