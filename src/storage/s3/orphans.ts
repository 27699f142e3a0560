/**
 * Finds and removes contents that no repository has (docs/decisions/0044). A collector notes the versions of old contents,
 * then lists the pointers of all repositories, and then marks each content without a pointer dead, unless it was written
 * meanwhile. A push that finds it dead brings its own data.
 */
import { type Digest, encodedOf } from "../../domain/digest.js";
import type { S3Client } from "./client.js";
import { bury, type Data, deadBytes, parseContent } from "./contents.js";
import { HexCounts } from "./hex-counts.js";
import { digestOfKey, keys } from "./keys.js";

/** A content as listed. */
export interface ListedContent {
  readonly digest: Digest;
  readonly etag: string;
  /** By the clock of the store, in milliseconds since the epoch. */
  readonly modifiedAt: number;
  /** Judged by its size: a damaged one can look like it. */
  readonly isDead: boolean;
}

export interface S3Orphan {
  readonly digest: Digest;
  readonly etag: string;
  readonly data: Data;
  /** Present if it was written too recently, in milliseconds since the epoch: a push may be about to point to it. */
  readonly keptUntil?: number;
}

/** Old contents that are compared with one listing of all pointers. */
const candidatesMax = 200_000;

export class Collection {
  constructor(readonly client: S3Client) {}

  /** Yields the contents that no repository has. Those of less than that age are kept until they have it. */
  async *orphans(ageSeconds: number): AsyncGenerator<S3Orphan> {
    let candidates: ListedContent[] = [];
    const oldest = (await this.#storeTime()) - ageSeconds * 1000;
    for await (const content of listContents(this.client)) {
      if (content.isDead) continue;
      candidates.push(content);
      if (candidates.length < candidatesMax) continue;
      yield* this.#withoutPointer(candidates, oldest);
      candidates = [];
    }
    yield* this.#withoutPointer(candidates, oldest);
  }

  async *#withoutPointer(candidates: readonly ListedContent[], oldest: number): AsyncGenerator<S3Orphan> {
    if (candidates.length === 0) return;
    const owners = await countPointers(this.client);
    const now = Date.now();
    for (const { digest, etag, modifiedAt } of candidates) {
      if (owners.of(encodedOf(digest)) > 0) continue;
      const found = await this.client.get(keys.content(digest));
      const data = found && parseContent(found.bytes);
      // A content that was written since the listing is not a candidate any more.
      if (found?.etag !== etag || data === undefined) continue;
      const early = modifiedAt - oldest;
      // The store may tell times in whole seconds.
      yield { digest, etag, data, ...(early > 0 && { keptUntil: now + early + 1000 }) };
    }
  }

  /** Resolves with one content if it is an orphan. */
  async orphan(digest: Digest, ageSeconds: number): Promise<S3Orphan | undefined> {
    const found = await this.client.get(keys.content(digest));
    if (found === undefined || found.answeredAt - found.modifiedAt < ageSeconds * 1000) return undefined;
    const data = parseContent(found.bytes);
    if (data === undefined) return undefined;
    const owners = await countPointers(this.client);
    return owners.of(encodedOf(digest)) === 0 ? { digest, etag: found.etag, data } : undefined;
  }

  /**
   * Removes an orphan if it has not been written since it was listed. Resolves with the bytes freed, otherwise with
   * `undefined`.
   */
  async remove({ digest, etag, data }: S3Orphan, removesWithCondition: boolean): Promise<number | undefined> {
    const buried = await bury(this.client, digest, etag);
    if (buried === undefined) return undefined;
    await this.client.delete(data.key);
    // Without the condition, this could remove what a push has written meanwhile.
    if (removesWithCondition) await this.client.delete(keys.content(digest), buried.etag);
    return data.size;
  }

  /** Asks the store for its time, in milliseconds since the epoch. */
  async #storeTime(): Promise<number> {
    const head = await this.client.head(keys.store);
    return head?.answeredAt ?? Date.now();
  }
}

/** Yields all contents, also dead ones, in ASCII order. */
export async function* listContents(client: S3Client): AsyncGenerator<ListedContent> {
  for await (const { key, etag, modifiedAt, size } of client.list(keys.contents)) {
    const digest = digestOfKey(key);
    if (digest !== undefined) yield { digest, etag, modifiedAt, isDead: size === deadBytes };
  }
}

/** The number of repositories that have each blob. */
async function countPointers(client: S3Client): Promise<HexCounts> {
  const counts = new HexCounts();
  for await (const { key } of client.list(keys.allBlobs)) {
    const digest = digestOfKey(key);
    if (digest !== undefined) counts.add(encodedOf(digest));
  }
  return counts;
}

/** Counts of the repositories that share contents, for reports. */
export class Pointers {
  #counted: Promise<HexCounts> | undefined;
  #countedAt = 0;

  constructor(
    readonly client: S3Client,
    readonly secondsMax: number,
  ) {}

  /** Resolves with counts that are at most `secondsMax` old. */
  counts(): Promise<HexCounts> {
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
