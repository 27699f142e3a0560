/**
 * Removes what crashed nodes left behind: parts without a session, data without a content, dead contents, and slices of
 * fetches.
 */
import type { Digest } from "../../domain/digest.js";
import { inParallel } from "../../lib/in-parallel.js";
import type { S3Client } from "./client.js";
import { isDead, parseContent } from "./contents.js";
import { HexCounts } from "./hex-counts.js";
import { keys, lastOf } from "./keys.js";
import { listContents } from "./orphans.js";

export interface SweepOptions {
  /** Whether the store honours conditions of removals. */
  readonly removesWithCondition: boolean;
  readonly onStray: (what: string, why: string) => void;
}

/** Data looked at in one sweep, about 100 bytes each; the next one goes on. */
const candidatesMax = 100_000;

/** Contents read in parallel. */
const readsAtOnce = 32;

/**
 * Removes what was last written before that time, in milliseconds since the epoch: longer ago than any push takes. Costs a
 * listing of all data, contents and slices. Reads the contents only if there is more data than contents. Rejects with `S3Failure`.
 */
export async function sweep(client: S3Client, before: number, options: SweepOptions): Promise<void> {
  for await (const { key, id, beganAt } of client.openMultiparts(keys.allData))
    if (beganAt < before) await client.abortMultipart(key, id);
  await removeSlices(client, before);
  const old: string[] = [];
  let data = 0;
  for await (const { key, modifiedAt } of client.list(keys.allData)) {
    data++;
    if (modifiedAt < before && old.length < candidatesMax) old.push(key);
  }
  let contents = 0;
  for await (const { digest, etag, modifiedAt, isDead: looksDead } of listContents(client)) {
    if (!looksDead) contents++;
    else if (options.removesWithCondition && modifiedAt < before) await removeDead(client, digest, etag);
  }
  if (old.length > 0 && data > contents) await removeUnused(client, old, options);
}

/** Those of a fetch that still runs may be among them: nodes that follow it then wait for its end. */
async function removeSlices(client: S3Client, before: number): Promise<void> {
  for await (const { key, modifiedAt } of client.list(keys.slices))
    if (modifiedAt < before) await client.delete(key);
}

/** Without the condition, this could remove what a push has written meanwhile. */
async function removeDead(client: S3Client, digest: Digest, etag: string): Promise<void> {
  const key = keys.content(digest);
  const found = await client.get(key);
  if (found?.etag === etag && isDead(found.bytes)) await client.delete(key, etag);
}

async function removeUnused(
  client: S3Client,
  old: readonly string[],
  { onStray }: SweepOptions,
): Promise<void> {
  const used = new HexCounts();
  let unsure: string | undefined;
  await inParallel(listContents(client), readsAtOnce, async ({ digest }) => {
    const key = keys.content(digest);
    const found = await client.get(key);
    const data = found && parseContent(found.bytes);
    if (data !== undefined) used.add(hexOf(data.key));
    if (data?.replacesDamage === true || (found !== undefined && data === undefined && !isDead(found.bytes)))
      unsure = key;
  });
  if (unsure === undefined)
    await inParallel(old, readsAtOnce, async (key) => {
      if (used.of(hexOf(key)) === 0) await client.delete(key);
    });
  else onStray(unsure, "is or was damaged, so it is unknown which data is unused: none is removed");
}

/** Data is named by random UUIDs. */
function hexOf(dataKey: string): string {
  return lastOf(dataKey).replaceAll("-", "");
}
