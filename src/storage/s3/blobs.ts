/** The blobs of an object store: pointers to data that all repositories share, and the collection of unused data. */
import { type Digest, encodedOf } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { foundInOrder } from "../../lib/in-order.js";
import type { BlobReader, BlobStore, BlobUrl, BlobUsage, Content, Orphan } from "../storage.js";
import { objectReader } from "./blob-reader.js";
import type { S3Client } from "./client.js";
import { borrow, type Pointer, parseContent, parsePointer, point } from "./contents.js";
import { onStore } from "./failure.js";
import { digestOfKey, keys } from "./keys.js";
import { Collection, listContents, Pointers, type S3Orphan } from "./orphans.js";
import type { S3WorkerPool } from "./worker-pool.js";

export interface S3BlobOptions {
  readonly graceSeconds: number;
  readonly collectedAfterSeconds: number;
  /** Time for which clients may use an address; `undefined` to send all bytes through this registry. */
  readonly urlSeconds: number | undefined;
  /** Time for which counts of the repositories that share a content may be outdated. */
  readonly usageSeconds: number;
  /** Whether the store honours conditions of removals, so that the contents of removed data can go too. */
  readonly removesWithCondition: boolean;
  readonly onStray: (what: string, why: string) => void;
}

/** Requests at once for many blobs. */
const readsAtOnce = 32;

/** Orphans that wait to be removed after they were listed. */
const knownOrphansMax = 100_000;

export class S3Blobs implements BlobStore {
  readonly url?: NonNullable<BlobStore["url"]>;
  readonly #pointers: Pointers;
  /** The versions of the contents that were orphans when they were listed. */
  readonly #orphans = new Map<Digest, S3Orphan>();

  constructor(
    readonly client: S3Client,
    readonly workers: S3WorkerPool,
    readonly options: S3BlobOptions,
  ) {
    this.#pointers = new Pointers(client, options.usageSeconds);
    const { urlSeconds } = options;
    if (urlSeconds !== undefined) this.url = (name, digest) => this.#url(name, digest, urlSeconds);
  }

  async #pointer(name: RepositoryName, digest: Digest): Promise<Pointer | undefined> {
    const key = keys.blob(name, digest);
    const found = await onStore(() => this.client.get(key));
    if (found === undefined) return undefined;
    const pointer = parsePointer(found.bytes);
    if (pointer === undefined) this.options.onStray(key, "is not a pointer to a blob");
    return pointer;
  }

  async size(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    return (await this.#pointer(name, digest))?.size;
  }

  async open(name: RepositoryName, digest: Digest): Promise<BlobReader | undefined> {
    const pointer = await this.#pointer(name, digest);
    return pointer && objectReader(this.client, pointer);
  }

  async #url(name: RepositoryName, digest: Digest, seconds: number): Promise<BlobUrl | undefined> {
    const pointer = await this.#pointer(name, digest);
    if (pointer === undefined) return undefined;
    const until = Date.now() + seconds * 1000;
    return {
      url: await onStore(() => this.client.presigned(pointer.key, seconds)),
      size: pointer.size,
      until,
    };
  }

  async mount(digest: Digest, to: RepositoryName, from?: RepositoryName): Promise<number | undefined> {
    if (from !== undefined && (await this.#pointer(from, digest)) === undefined) return undefined;
    return onStore(async () => {
      const borrowed = await borrow(this.client, digest, this.options.graceSeconds);
      if (borrowed === undefined) return undefined;
      await point(this.client, to, digest, borrowed);
      return borrowed.data.size;
    });
  }

  async remove(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    const key = keys.blob(name, digest);
    return onStore(async () => {
      if ((await this.client.head(key)) === undefined) return undefined;
      await this.client.delete(key);
      return 0;
    });
  }

  async list(name: RepositoryName): Promise<Digest[]> {
    const digests: Digest[] = [];
    await onStore(async () => {
      for await (const { key } of this.client.list(keys.blobs(name))) {
        const digest = digestOfKey(key);
        if (digest !== undefined) digests.push(digest);
      }
    });
    return digests;
  }

  async *sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number> {
    yield* foundInOrder(digests, readsAtOnce, (digest) => this.size(name, digest));
  }

  async *usages(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<BlobUsage> {
    const owners = await onStore(() => this.#pointers.counts());
    yield* foundInOrder(digests, readsAtOnce, async (digest) => {
      const pointer = await this.#pointer(name, digest);
      return pointer && { size: pointer.size, shared: owners.of(encodedOf(digest)) > 1, isContent: true };
    });
  }

  async *contents(): AsyncIterable<Content> {
    yield* foundInOrder(listContents(this.client), readsAtOnce, async ({ digest, isDead }) => {
      if (isDead) return undefined;
      const found = await onStore(() => this.client.get(keys.content(digest)));
      const data = found && parseContent(found.bytes);
      return data && { digest, size: data.size };
    });
  }

  async *orphans(): AsyncIterable<Orphan> {
    this.#orphans.clear();
    const collection = new Collection(this.client);
    for await (const orphan of collection.orphans(this.options.collectedAfterSeconds)) {
      const { digest, data, keptUntil } = orphan;
      if (keptUntil === undefined && this.#orphans.size < knownOrphansMax) this.#orphans.set(digest, orphan);
      yield { digest, size: data.size, ...(keptUntil !== undefined && { keptUntil }) };
    }
  }

  async removeOrphan(digest: Digest): Promise<number | undefined> {
    const known = this.#orphans.get(digest);
    this.#orphans.delete(digest);
    const collection = new Collection(this.client);
    return onStore(async () => {
      const orphan = known ?? (await collection.orphan(digest, this.options.collectedAfterSeconds));
      return orphan && collection.remove(orphan, this.options.removesWithCondition);
    });
  }

  async checkContent(digest: Digest): Promise<boolean | undefined> {
    const found = await onStore(() => this.client.get(keys.content(digest)));
    const data = found && parseContent(found.bytes);
    if (data === undefined) return undefined;
    return (await this.workers.digestObject(data.key, digest)) === digest;
  }

  async check(name: RepositoryName, digest: Digest): Promise<boolean | "content" | undefined> {
    const pointer = await this.#pointer(name, digest);
    if (pointer === undefined) return undefined;
    const found = await onStore(() => this.client.get(keys.content(digest)));
    if (found !== undefined && parseContent(found.bytes)?.key === pointer.key) return "content";
    return (await this.workers.digestObject(pointer.key, digest)) === digest;
  }
}
