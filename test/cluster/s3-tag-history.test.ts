// The history of tags in a bucket: what it costs, nodes with different clocks, entries that repeat others, and damage.
// test/contract/storage.ts tests the promises of the port.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Digest, digestOf } from "../../src/domain/digest.js";
import type { Tag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { entryName } from "../../src/storage/entry-name.js";
import type { S3Client } from "../../src/storage/s3/client.js";
import { keys } from "../../src/storage/s3/keys.js";
import { type S3Metadata, s3Metadata } from "../../src/storage/s3/metadata.js";
import { countByKind } from "../support/s3-requests.js";
import { needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";
import { eventually } from "../support/store.js";

interface Opened extends S3Metadata {
  readonly server: S3Server;
  readonly client: S3Client;
  readonly strays: string[];
}

const starting = needsVersitygw === false ? startS3Server("versitygw") : undefined;
starting?.catch(() => {});
after(async () => (await starting)?.stop());
let count = 0;

/** Runs `check` on an empty store of its own. */
const on = (what: string, check: (opened: Opened) => Promise<void>) =>
  test(what, { skip: needsVersitygw }, async () => {
    assert.ok(starting !== undefined);
    const server = await starting;
    const client = server.client(`history-${count++}/`);
    const strays: string[] = [];
    await check({ server, client, strays, ...s3Metadata(client, (key) => void strays.push(key)) });
  });

const costOf = async ({ server }: Opened, work: () => Promise<unknown>) => {
  await server.resetRequests();
  await work();
  return countByKind(await server.requests());
};

const name = parseRepositoryName("team/app");
const tag = "latest" as Tag;
const digest = (number: number): Digest => digestOf("sha256", String(number).padStart(64, "0"));
const note = (by: string, entriesMax = 50) => ({
  note: { by, bounds: { entriesMax, keptMilliseconds: 3_600_000 } },
});
const movable = { movable: true };

async function listed({ history }: Opened): Promise<(readonly [Digest | undefined, string | undefined])[]> {
  const entries: (readonly [Digest | undefined, string | undefined])[] = [];
  for await (const { digest, by } of history.list(name, tag)) entries.push([digest, by]);
  return entries;
}

async function stored({ client }: Opened): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of client.list(keys.historyOf(name, tag))) found.push(key);
  return found;
}

on("a push costs one request more, and reading a history one beside that of the tag", async (opened) => {
  const push = () => opened.tags.point(name, tag, digest(1), movable, note("user:a"));
  assert.deepEqual(await costOf(opened, push), { "PUT PutObject": 2 });
  for (let number = 2; number < 20; number++)
    await opened.tags.point(name, tag, digest(number), movable, note("user:a"));
  const read = async () => assert.equal((await listed(opened)).length, 19);
  assert.deepEqual(await costOf(opened, read), { "GET GetObject": 1, "GET ListObjectsV2": 1 });
});

on("the last push comes first, whatever the clocks of nodes say", async (opened) => {
  await opened.tags.point(name, tag, digest(1), movable, note("user:a"));
  // A node whose clock is ahead pushed meanwhile.
  const ahead = entryName(
    { kind: "pointed", digest: digest(2), at: Date.now() + 60_000, by: "user:ahead" },
    "other-nonce1",
  );
  await opened.client.put(keys.historyEntry(name, tag, ahead), new Uint8Array());
  assert.deepEqual(await listed(opened), [
    [digest(1), "user:a"],
    [digest(2), "user:ahead"],
  ]);
});

on("an entry without its push is not the current target", async (opened) => {
  await opened.tags.point(name, tag, digest(1), movable, note("user:a"));
  const lost = entryName(
    { kind: "pointed", digest: digest(2), at: Date.now() + 5, by: "user:b" },
    "lost-nonce-1",
  );
  await opened.client.put(keys.historyEntry(name, tag, lost), new Uint8Array());
  assert.deepEqual((await listed(opened))[0], [digest(1), "user:a"]);
});

on("entries that repeat the target are not shown, and are removed between collections", async (opened) => {
  await opened.tags.point(name, tag, digest(1), movable, note("user:first", 5));
  for (let push = 0; push < 12; push++)
    await opened.tags.point(name, tag, digest(2), movable, note(`user:${push}`, 5));
  assert.deepEqual(await listed(opened), [
    [digest(2), "user:0"],
    [digest(1), "user:first"],
  ]);
  await eventually("the removal of repeated entries", async () =>
    (await stored(opened)).length <= 5 ? true : undefined,
  );
  await opened.history.prune(name, note("").note.bounds);
  assert.equal((await stored(opened)).length, 2);
  assert.deepEqual(await listed(opened), [
    [digest(2), "user:0"],
    [digest(1), "user:first"],
  ]);
});

on("a tag that was removed without an entry ends with its age", async (opened) => {
  const { tags, client, history } = opened;
  await tags.point(name, tag, digest(1), movable, note("user:a"));
  await tags.point(name, "kept" as Tag, digest(1), movable, note("user:a"));
  await client.delete(keys.tag(name, tag));
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(await history.prune(name, { entriesMax: 50, keptMilliseconds: 3_600_000 }), 0);
  assert.equal(await history.prune(name, { entriesMax: 50, keptMilliseconds: 10 }), 1);
  assert.deepEqual(await listed(opened), []);
});

on("foreign objects are reported, and hide no entries", async (opened) => {
  await opened.tags.point(name, tag, digest(1), movable, note("user:a"));
  for (const foreign of ["!", "8204025213400.sha256:short.eA", "zzz"])
    await opened.client.put(keys.historyEntry(name, tag, foreign), Buffer.from("x"));
  assert.deepEqual(await listed(opened), [[digest(1), "user:a"]]);
  assert.equal(opened.strays.length, 3);
});
