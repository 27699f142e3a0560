/**
 * Finds and removes contents that no repository has (docs/decisions/0044). A collector notes the versions of old contents,
 * then lists the pointers of all repositories, and then marks each content without a pointer dead, unless it was written
 * meanwhile. A push that finds it dead brings its own data.
 */
import type { Digest } from "../../domain/digest.js";

import type { S3Client } from "./client.js";
import { bury, type Data, deadBytes, parseContent } from "./contents.js";
import { DigestCounts } from "./digest-counts.js";
import { digestOfKey, keys } from "./keys.js";

/** A content as listed. */
interface ListedContent {
  readonly digest: Digest;
  readonly etag: string;
  /** By the clock of the store, in milliseconds since the epoch. */
  readonly modifiedAt: number;
  readonly isDead: boolean;
}

export interface Orphan {
  readonly digest: Digest;
  readonly etag: string;
  /** Absent if it is dead already. */
  readonly data: Data | undefined;
}

/** Old contents that are compared with one listing of all pointers. */
const candidatesMax = 200_000;

export function collectionOf(client: S3Client): Collection {
  return new Collection(client);
}

export class Collection {
  constructor(readonly client: S3Client) {}

  /** Yields the live contents. */
  async *contents(): AsyncGenerator<ListedContent> {
    for await (const content of this.#listed()) if (!content.isDead) yield content;
  }

  async *#listed(): AsyncGenerator<ListedContent> {
    for await (const { key, etag, modifiedAt, size } of this.client.list(keys.contents)) {
      const digest = digestOfKey(key);
      if (digest !== undefined) yield { digest, etag, modifiedAt, isDead: size <= deadBytes };
    }
  }

  /** Yields the contents of that age or older that no repository has, and those that a collector left behind dead. */
  async *orphans(ageSeconds: number): AsyncGenerator<Orphan> {
    let candidates: ListedContent[] = [];
    const oldest = (await this.#storeTime()) - ageSeconds * 1000;
    for await (const content of this.#listed()) {
      if (content.modifiedAt > oldest) continue;
      candidates.push(content);
      if (candidates.length < candidatesMax) continue;
      yield* this.#withoutPointer(candidates);
      candidates = [];
    }
    yield* this.#withoutPointer(candidates);
  }

  async *#withoutPointer(candidates: readonly ListedContent[]): AsyncGenerator<Orphan> {
    if (candidates.length === 0) return;
    const owners = await countPointers(this.client);
    for (const { digest, etag, isDead } of candidates) {
      if (isDead) yield { digest, etag, data: undefined };
      else if (owners.of(digest) === 0) {
        const found = await this.client.get(keys.content(digest));
        // A content that was written since the listing is not a candidate any more.
        if (found?.etag === etag) yield { digest, etag, data: parseContent(found.bytes) };
      }
    }
  }

  /** Resolves with one content if it is an orphan. */
  async orphan(digest: Digest, ageSeconds: number): Promise<Orphan | undefined> {
    const found = await this.client.get(keys.content(digest));
    if (found === undefined || found.answeredAt - found.modifiedAt < ageSeconds * 1000) return undefined;
    const data = parseContent(found.bytes);
    if (data === undefined) return undefined;
    const owners = await countPointers(this.client);
    return owners.of(digest) === 0 ? { digest, etag: found.etag, data } : undefined;
  }

  /**
   * Removes an orphan if it has not been written since it was listed. Resolves with the bytes freed, otherwise with
   * `undefined`.
   */
  async remove({ digest, etag, data }: Orphan, removesWithCondition: boolean): Promise<number | undefined> {
    const buried = data === undefined ? { etag } : await bury(this.client, digest, etag);
    if (buried === undefined) return undefined;
    if (data !== undefined) await this.client.delete(data.key);
    // Without the condition, this could remove what a push has written meanwhile.
    if (removesWithCondition) await this.client.delete(keys.content(digest), buried.etag);
    return data?.size;
  }

  /** Asks the store for its time, in milliseconds since the epoch. */
  async #storeTime(): Promise<number> {
    const head = await this.client.head(keys.store);
    return head?.answeredAt ?? Date.now();
  }
}

/** The number of repositories that have each blob. */
async function countPointers(client: S3Client): Promise<DigestCounts> {
  const counts = new DigestCounts();
  for await (const { key } of client.list(keys.allBlobs)) {
    const digest = digestOfKey(key);
    if (digest !== undefined) counts.add(digest);
  }
  return counts;
}

/** Counts of the repositories that share contents, for reports. */
export class Pointers {
  #counted: Promise<DigestCounts> | undefined;
  #countedAt = 0;

  constructor(
    readonly client: S3Client,
    readonly secondsMax: number,
  ) {}

  /** Resolves with counts that are at most `secondsMax` old. */
  counts(): Promise<DigestCounts> {
    const now = performance.now();
    if (this.#counted === undefined || now - this.#countedAt > this.secondsMax * 1000) {
      this.#countedAt = now;
      this.#counted = countPointers(this.client);
      this.#counted.catch(() => {
        this.#counted = undefined;
      });
    }
    return this.#counted;
  }
}
