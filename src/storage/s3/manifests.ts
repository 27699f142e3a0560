/**
 * Manifests: each an object with the bytes as pushed, by repository and digest. It is created once, so that its time is that
 * of the first push. A repository is in the catalog as long as it has one, or a marker that the first removal leaves.
 */
import { type Digest, isDigest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { foundInOrder, inOrder } from "../../lib/in-order.js";
import { noSpans, type Spans } from "../../lib/spans.js";
import type { ManifestStore } from "../storage.js";
import type { S3Client } from "./client.js";
import { ifTooLarge, overtaken } from "./failure.js";
import { keys } from "./keys.js";
import { recordsAtOnce, type StoredRecords } from "./stored-records.js";

/** No setting allows a larger manifest. */
const manifestBytesMax = 64 * 1024 * 1024;

/** More manifests than these are looked up by listing the repository, a thousand for each request. */
const lookedUpMax = 16;

/** A write is overtaken if the manifest is removed between two of its requests. */
const attemptsMax = 5;

interface Measure {
  readonly size: number;
  /** In milliseconds since the epoch, in whole seconds. */
  readonly modifiedAt: number;
}

export class S3Manifests implements ManifestStore {
  constructor(
    readonly client: S3Client,
    readonly records: StoredRecords,
  ) {}

  async read(name: RepositoryName, digest: Digest): Promise<Buffer | "unreadable" | undefined> {
    const found = await this.#get(name, digest);
    if (found !== "unreadable") return found;
    this.records.onStray(keys.manifest(name, digest), `larger than ${manifestBytesMax} bytes`);
    return found;
  }

  async size(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    return (await this.client.head(keys.manifest(name, digest)))?.size;
  }

  async *sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number> {
    const measure = await this.#measurer(name, digests);
    yield* foundInOrder(digests, recordsAtOnce, async (digest) => (await measure(digest))?.size);
  }

  async *pushedAt(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number | undefined> {
    const measure = await this.#measurer(name, digests);
    yield* inOrder(digests, recordsAtOnce, async (digest) => (await measure(digest))?.modifiedAt);
  }

  async list(name: RepositoryName): Promise<Digest[]> {
    const digests: Digest[] = [];
    for await (const { name: digest } of this.records.names(keys.manifests(name), isDigest))
      digests.push(digest);
    return digests;
  }

  async write(
    name: RepositoryName,
    digest: Digest,
    bytes: Uint8Array,
    spans: Spans = noSpans,
  ): Promise<void> {
    await spans.during("write", () => this.#write(name, digest, bytes));
  }

  async #write(name: RepositoryName, digest: Digest, bytes: Uint8Array): Promise<void> {
    const key = keys.manifest(name, digest);
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      if ((await this.client.put(key, bytes, { ifNoneMatch: "*" })) !== undefined) return;
      const found = await this.#get(name, digest);
      // It was removed in between.
      if (found === undefined) continue;
      if (found === "unreadable" || !found.equals(bytes)) await this.client.put(key, bytes);
      return;
    }
    throw overtaken(`the manifest ${digest} in ${name}`);
  }

  async remove(name: RepositoryName, digest: Digest): Promise<boolean> {
    const key = keys.manifest(name, digest);
    if ((await this.client.head(key)) === undefined) return false;
    // First, so that the repository stays in the catalog if this was its last manifest.
    await this.client.put(keys.catalogued(name), new Uint8Array());
    await this.client.delete(key);
    return true;
  }

  async #get(name: RepositoryName, digest: Digest): Promise<Buffer | "unreadable" | undefined> {
    try {
      return (await this.client.get(keys.manifest(name, digest), manifestBytesMax))?.bytes;
    } catch (error) {
      ifTooLarge(error);
      return "unreadable";
    }
  }

  /** Resolves with a function that looks up one of `digests`. */
  async #measurer(
    name: RepositoryName,
    digests: readonly Digest[],
  ): Promise<(digest: Digest) => Promise<Measure | undefined>> {
    if (digests.length <= lookedUpMax) return (digest) => this.client.head(keys.manifest(name, digest));
    const wanted = new Set(digests);
    const found = new Map<Digest, Measure>();
    for await (const { name: digest, size, modifiedAt } of this.records.names(keys.manifests(name), isDigest))
      if (wanted.has(digest)) found.set(digest, { size, modifiedAt });
    return async (digest) => found.get(digest);
  }
}
