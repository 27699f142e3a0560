/**
 * Shares the bytes of a digest among all repositories (docs/decisions/0044). A content names the data that a digest has; a
 * pointer makes it a blob of a repository. Contents are written with conditions only, so that a push and a collection of the
 * same content see each other, on any nodes.
 */
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { nonce, type S3Client, type Stamp } from "./client.js";
import { copyOwn } from "./copy.js";
import { S3Failure } from "./failure.js";
import { keys } from "./keys.js";
import { jsonObject } from "./stored-records.js";

/** The bytes of a blob in the store. */
export interface Data {
  readonly key: string;
  /** In bytes. */
  readonly size: number;
  readonly etag: string;
  /**
   * Whether the content was damaged before: repositories may point to other data, which is unknown. Nothing is swept while
   * there is such a content.
   */
  readonly replacesDamage?: boolean;
}

/** What a repository's pointer says. */
export type Pointer = Pick<Data, "key" | "size">;

export interface Shared {
  /** The data that the digest has: the caller's own, or that of an earlier push. */
  readonly data: Data;
  /** Whether the caller's data replaced damaged bytes of an earlier push. */
  readonly healed: boolean;
  /** By `performance.now()`: a pointer to the data must be written before. */
  readonly pointBefore: number;
}

/** Attempts to write a content that others write at the same time. */
const roundsMax = 20;

/** A pointer that cannot be written before its content may be collected. */
const tooLate = () => new S3Failure("the store was too slow to share a content", { mayPass: true });

/**
 * Makes `own` the content of the digest unless there is one, which is then renewed, and repaired if its data is damaged.
 * Rejects with `S3Failure`.
 */
export async function share(
  client: S3Client,
  digest: Digest,
  own: Data,
  graceSeconds: number,
): Promise<Shared> {
  const key = keys.content(digest);
  for (let round = 0; round < roundsMax; round++) {
    const pointBefore = performance.now() + graceSeconds * 500;
    const mine = { data: own, healed: false, pointBefore };
    if ((await client.put(key, liveContent(own), { ifNoneMatch: "*" })) !== undefined) return mine;
    const found = await client.get(key);
    if (found === undefined) continue;
    const data = parseContent(found.bytes);
    if (data === undefined) {
      const replacesDamage = !isDead(found.bytes);
      const put = await client.put(key, liveContent({ ...own, replacesDamage }), { ifMatch: found.etag });
      if (put !== undefined) return mine;
    } else if (await renewed(client, key, data, found, graceSeconds)) {
      const healed = data.key !== own.key && (await healedBy(client, key, data, own));
      return { data: { ...data, size: own.size }, healed, pointBefore };
    }
  }
  throw new S3Failure("too many pushes of one content at once", { mayPass: true });
}

/** Resolves with the data of a content that a repository may point to, or with `undefined` if there is none. */
export async function borrow(
  client: S3Client,
  digest: Digest,
  graceSeconds: number,
): Promise<{ readonly data: Data; readonly pointBefore: number } | undefined> {
  const key = keys.content(digest);
  for (let round = 0; round < roundsMax; round++) {
    const pointBefore = performance.now() + graceSeconds * 500;
    const found = await client.get(key);
    const data = found && parseContent(found.bytes);
    if (found === undefined || data === undefined) return undefined;
    if (await renewed(client, key, data, found, graceSeconds)) return { data, pointBefore };
  }
  throw new S3Failure("too many pushes of one content at once", { mayPass: true });
}

/** Adds the blob to the repository. Rejects if that took so long that the content may have been collected. */
export async function point(
  client: S3Client,
  name: RepositoryName,
  digest: Digest,
  { data, pointBefore }: Pick<Shared, "data" | "pointBefore">,
): Promise<void> {
  if (performance.now() > pointBefore) throw tooLate();
  const pointer: Pointer = { key: data.key, size: data.size };
  await client.put(keys.blob(name, digest), Buffer.from(JSON.stringify(pointer)));
  if (performance.now() > pointBefore) throw tooLate();
}

/**
 * Resolves with whether the content is young enough to be pointed to: a collector removes it only when it is older than the
 * grace period, and a pointer is written within half of it. Writes an older one again.
 */
async function renewed(
  client: S3Client,
  key: string,
  data: Data,
  { modifiedAt, answeredAt, etag }: Stamp,
  graceSeconds: number,
): Promise<boolean> {
  // Both times are of the store's clock, in whole seconds.
  if (answeredAt - modifiedAt < graceSeconds * 500 - 2000) return true;
  return (await client.put(key, liveContent(data), { ifMatch: etag })) !== undefined;
}

/** Replaces the data of an earlier push, which other repositories point to, if it is gone or has changed. */
async function healedBy(client: S3Client, key: string, old: Data, own: Data): Promise<boolean> {
  const head = await client.head(old.key);
  if (head?.etag === old.etag && head.size === own.size) return false;
  await copyOwn(client, own.key, old.key, own.size);
  const copied = await client.head(old.key);
  const found = await client.get(key);
  if (copied !== undefined && found !== undefined && parseContent(found.bytes)?.key === old.key)
    // If another push is faster, it has found the same data.
    await client.put(key, liveContent({ ...old, size: own.size, etag: copied.etag }), {
      ifMatch: found.etag,
    });
  return true;
}

/** Marks a content dead if it still is the version `etag`. Resolves with the new version, or with `undefined` if it was not. */
export async function bury(client: S3Client, digest: Digest, etag: string): Promise<Stamp | undefined> {
  return client.put(keys.content(digest), deadContent(), { ifMatch: etag });
}

function liveContent({ key, size, etag, replacesDamage }: Data): Buffer {
  const content = {
    data: key,
    size,
    etag,
    ...(replacesDamage === true && { replacesDamage }),
    nonce: nonce(),
  };
  return Buffer.from(JSON.stringify(content));
}

function deadContent(): Buffer {
  return Buffer.from(JSON.stringify({ dead: true, nonce: nonce() }));
}

/** Bytes of any dead content: fewer than a live one has, so that a listing tells which they are. */
export const deadBytes = deadContent().length;

/** Returns the data of a live content, and `undefined` for a dead or damaged one. */
export function parseContent(bytes: Buffer): Data | undefined {
  const json = jsonObject(bytes);
  const { data: key, size, etag } = json ?? {};
  if (typeof key !== "string" || typeof size !== "number" || typeof etag !== "string") return undefined;
  return { key, size, etag, ...(json?.replacesDamage === true && { replacesDamage: true }) };
}

/** Returns whether a collector has marked the content dead, after which nothing points to its data. */
export function isDead(bytes: Buffer): boolean {
  return jsonObject(bytes)?.dead === true;
}

/** Returns `undefined` for a damaged pointer. */
export function parsePointer(bytes: Buffer): Pointer | undefined {
  const json = jsonObject(bytes);
  const { key, size } = json ?? {};
  return typeof key === "string" && typeof size === "number" ? { key, size } : undefined;
}
