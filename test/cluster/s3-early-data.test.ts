// Small uploads whose bytes are stored as the data of the blob before the client closes the upload: how many requests that
// takes, and what other nodes may do with them. test/unit/model/early-data.test.ts has every interleaving.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { parseContent } from "../../src/storage/s3/contents.js";
import { keys } from "../../src/storage/s3/keys.js";
import { defaultS3Limits } from "../../src/storage/s3/open.js";
import type { Upload } from "../../src/storage/storage.js";
import { startFaultRelay } from "../support/fault-relay.js";
import { digestFor, S3Node, uniqueName } from "../support/s3-driver.js";
import { countByKind } from "../support/s3-requests.js";
import { needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";

const skip = needsVersitygw;
const bytes = randomBytes(100_000);
const digest = digestFor(bytes);
const name = uniqueName();

/** Streams all bytes in one request, which leaves the upload open. */
async function stream(node: S3Node) {
  const { id, upload } = node.begin(name, { survives: true });
  await node.append(upload, bytes, 0);
  await upload.flush(bytes.length);
  return { id, upload };
}

const close = (upload: Upload) => upload.commit(name, digest, { offset: bytes.length, part: undefined });

async function keysUnder(server: S3Server, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of server.client().list(prefix)) found.push(key);
  return found;
}

async function dataOf(server: S3Server): Promise<string | undefined> {
  const content = await server.client().get(keys.content(digest));
  return content && parseContent(content.bytes)?.key;
}

test("a streamed upload that is closed at once takes three requests, and leaves nothing", {
  skip,
}, async () => {
  await using server = await startS3Server();
  await using node = await S3Node.open(server);
  await server.resetRequests();
  const { id, upload } = await stream(node);
  await close(upload);
  assert.deepEqual(countByKind(await server.requests()), { "PUT PutObject": 3 });
  assert.deepEqual(await node.read(name, digest), bytes);
  assert.equal(await node.storage.uploads.recover(id), undefined);
  assert.deepEqual(await keysUnder(server, keys.uploads), []);
  assert.deepEqual(await keysUnder(server, keys.allData), [await dataOf(server)]);
});

test("early data of a digest that is stored already is removed", { skip }, async () => {
  await using server = await startS3Server();
  await using node = await S3Node.open(server);
  await node.push(uniqueName(), bytes);
  const { id, upload } = await stream(node);
  await close(upload);
  assert.equal(await node.storage.uploads.recover(id), undefined);
  assert.deepEqual(await keysUnder(server, keys.allData), [await dataOf(server)]);
});

test("a node to which the upload is handed over uses its early data", { skip }, async () => {
  await using server = await startS3Server();
  await using first = await S3Node.open(server);
  await using second = await S3Node.open(server);
  const { id, upload } = await stream(first);
  await upload.release?.();
  await server.resetRequests();
  const found = await second.storage.uploads.recover(id, true);
  assert.ok(found?.received === bytes.length && found.upload.isShared === false);
  await close(found.upload);
  assert.deepEqual(countByKind(await server.requests()), { "GET GetObject": 2, "PUT PutObject": 2 });
  assert.deepEqual(await second.read(name, digest), bytes);
  assert.deepEqual(await keysUnder(server, keys.allData), [keys.early(id)]);
  assert.equal(await first.storage.uploads.recover(id), undefined);
});

test("a node that takes the upload over unasked stores the bytes again, and leaves the early data", {
  skip,
}, async () => {
  await using server = await startS3Server();
  await using first = await S3Node.open(server);
  await using second = await S3Node.open(server);
  const { id, upload } = await stream(first);
  const found = await second.storage.uploads.recover(id);
  assert.ok(found?.upload.isShared);
  await close(found.upload);
  assert.notEqual(await dataOf(server), keys.early(id));
  for (const node of [first, second]) assert.equal(await node.storage.uploads.recover(id), undefined);
  await close(upload);
  assert.deepEqual(await first.read(name, digest), bytes);
});

test("a node that takes the upload over unasked and cancels it does not remove another's blob", {
  skip,
}, async () => {
  await using server = await startS3Server();
  await using first = await S3Node.open(server);
  await using second = await S3Node.open(server);
  const { id, upload } = await stream(first);
  const found = await second.storage.uploads.recover(id);
  await close(upload);
  await found?.upload.abort();
  assert.deepEqual(await first.read(name, digest), bytes);
  assert.equal(await dataOf(server), keys.early(id));
  assert.equal(await second.storage.uploads.recover(id), undefined);
});

test("a canceled upload and one with other bytes leave nothing", { skip }, async () => {
  await using server = await startS3Server();
  await using node = await S3Node.open(server);
  const [canceled, wrong] = [await stream(node), await stream(node)];
  await canceled.upload.abort();
  const other = digestFor(randomBytes(10));
  await assert.rejects(wrong.upload.commit(name, other, { offset: bytes.length, part: undefined }), {
    kind: "digest-mismatch",
  });
  await wrong.upload.abort();
  for (const { id } of [canceled, wrong]) assert.equal(await node.storage.uploads.recover(id), undefined);
  assert.deepEqual(await keysUnder(server, ""), []);
});

test("an upload that goes on after its first request is stored in the other form", { skip }, async () => {
  await using server = await startS3Server();
  await using node = await S3Node.open(server);
  const { id, upload } = await stream(node);
  const more = randomBytes(1000);
  await node.append(upload, more, bytes.length);
  await upload.flush(bytes.length + more.length);
  assert.deepEqual(await keysUnder(server, keys.allData), []);
  assert.equal((await node.storage.uploads.recover(id))?.received, bytes.length + more.length);
  const whole = Buffer.concat([bytes, more]);
  await upload.commit(name, digestFor(whole), { offset: whole.length, part: undefined });
  assert.deepEqual(await node.read(name, digestFor(whole)), whole);
  assert.equal((await keysUnder(server, keys.allData)).length, 1);
});

test("an upload whose bytes may have been stored as early data leaves nothing when it ends", {
  skip,
}, async () => {
  await using server = await startS3Server();
  await using relay = await startFaultRelay(server.port);
  const limits = { ...defaultS3Limits, attemptSeconds: 1, requestSeconds: 1 };
  await using node = await S3Node.open(server, { endpoint: relay.url, limits });
  const opened = [node.begin(name, { survives: true }), node.begin(name, { survives: true })] as const;
  relay.inject({ seed: "", rates: { errorAfter: 1 } });
  for (const { upload } of opened) {
    await node.append(upload, bytes, 0);
    await assert.rejects(upload.flush(bytes.length));
  }
  relay.inject(undefined);
  const [canceled, closed] = opened;
  await canceled.upload.abort();
  await closed.upload.flush(bytes.length);
  await close(closed.upload);
  for (const { id } of opened) assert.equal(await node.storage.uploads.recover(id), undefined);
  assert.deepEqual(await keysUnder(server, keys.allData), [await dataOf(server)]);
});

for (const size of [bytes.length, 6 * 1024 * 1024])
  test(`a commit of ${size} bytes that fails after the store has made it a blob leaves its data`, {
    skip,
  }, async () => {
    await using server = await startS3Server();
    await using relay = await startFaultRelay(server.port);
    const limits = { ...defaultS3Limits, attemptSeconds: 1, requestSeconds: 1 };
    await using node = await S3Node.open(server, { endpoint: relay.url, limits });
    const pushed = randomBytes(size);
    const { upload } = node.begin(name, { survives: true });
    await node.append(upload, pushed, 0);
    await upload.flush(size);
    relay.inject({ seed: "", rates: { errorAfter: 1 }, matches: ({ path }) => path.includes("/blobs/") });
    await assert.rejects(upload.commit(name, digestFor(pushed), { offset: size, part: undefined }));
    relay.inject(undefined);
    await upload.abort();
    assert.deepEqual(await node.read(name, digestFor(pushed)), pushed);
  });
