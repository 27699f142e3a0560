// Uploads that go from node to node, and uploads to a store that fails. test/contract/storage.ts tests the promises of one node.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { test } from "node:test";
import { RegistryError } from "../../src/domain/errors.js";
import { parseContent, parsePointer } from "../../src/storage/s3/contents.js";
import { keys } from "../../src/storage/s3/keys.js";
import { defaultS3Limits } from "../../src/storage/s3/open.js";
import { parseUpload } from "../../src/storage/s3/upload-state.js";
import { type Fault, faults, startFaultRelay } from "../support/fault-relay.js";
import { digestFor, partBytes, S3Node, uniqueName } from "../support/s3-driver.js";
import { countByKind } from "../support/s3-requests.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { eventually } from "../support/store.js";

const skip = needsVersitygw;
const end = (offset: number) => ({ offset, part: undefined });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Sizes of first requests: all in the stored state, a part and a rest, several parts. */
const firstBytes = [1000, partBytes + 1000, 2 * partBytes + 7_000_000];

for (const inChunks of [false, true])
  for (const size of firstBytes)
    test(`${inChunks ? "a chunked" : "a streamed"} upload of ${size} bytes goes on at other nodes`, {
      skip,
    }, async () => {
      await using server = await startS3Server();
      await using first = await S3Node.open(server);
      await using second = await S3Node.open(server);
      await using third = await S3Node.open(server);
      const name = uniqueName();
      const [one, two] = [randomBytes(size), randomBytes(3_000_000)];
      const whole = Buffer.concat([one, two]);
      const { id, upload } = first.begin(name, { survives: true, inChunks });
      await first.append(upload, one, 0);
      await upload.flush(size);
      await server.resetRequests();
      const found = await second.storage.uploads.recover(id);
      assert.equal(found?.received, size);
      await second.append(found.upload, two, size);
      await found.upload.flush(whole.length);
      const { "GET GetObject": gets } = countByKind(await server.requests());
      // The stored state, or where it is missing the early data, and whether that is a blob. Only a large upload that was not
      // known to come in chunks has to be read again, for its hash.
      if (inChunks || size < partBytes) assert.equal(gets, inChunks ? 1 : 4);
      const last = await third.storage.uploads.recover(id);
      assert.equal(last?.received, whole.length);
      await last.upload.commit(name, digestFor(whole), end(whole.length));
      assert.deepEqual(await first.read(name, digestFor(whole)), whole);
      assert.ok((await third.storage.uploads.recover(id)) === undefined, "it is consumed");
      // Data that another node may have made a content is swept later: early data, for which a mark says until then that the
      // upload has ended, and parts that had to be completed to be read again.
      const isEarly = !inChunks && size < partBytes;
      if (!isEarly)
        await eventually("the stored upload is removed", async () => {
          const left = await all(server.client().list(keys.uploads));
          return left.length === 0 ? true : undefined;
        });
      assert.equal((await all(server.client().list(keys.allData))).length, inChunks ? 1 : 2);
      assert.deepEqual(await all(server.client().openMultiparts("")), []);
    });

test("another node commits an upload without reading its bytes", { skip }, async () => {
  await using server = await startS3Server();
  await using first = await S3Node.open(server);
  await using second = await S3Node.open(server);
  const name = uniqueName();
  const bytes = randomBytes(3 * partBytes);
  const { id, upload } = first.begin(name, { survives: true });
  await first.append(upload, bytes, 0);
  await upload.flush(bytes.length);
  await server.resetRequests();
  const found = await second.storage.uploads.recover(id);
  await found?.upload.commit(name, digestFor(bytes), end(bytes.length));
  assert.deepEqual(countByKind(await server.requests()), {
    "GET GetObject": 1,
    "POST CompleteMultipartUpload": 1,
    "PUT PutObject": 2,
  });
  assert.deepEqual(await first.read(name, digestFor(bytes)), bytes);
});

test("a node that another has overtaken can neither store nor remove the upload", { skip }, async () => {
  await using server = await startS3Server();
  await using first = await S3Node.open(server);
  await using second = await S3Node.open(server);
  const name = uniqueName();
  const [one, two, other] = [randomBytes(partBytes + 10), randomBytes(partBytes), randomBytes(partBytes)];
  const { id, upload } = first.begin(name, { survives: true, inChunks: true });
  await first.append(upload, one, 0);
  await upload.flush(one.length);
  const found = await second.storage.uploads.recover(id);
  assert.ok(found !== undefined);
  await second.append(found.upload, two, one.length);
  await found.upload.flush(one.length + two.length);
  await first.append(upload, other, one.length);
  await assert.rejects(upload.flush(one.length + other.length), { kind: "upload-busy" });
  assert.ok(upload.isLost);
  await upload.abort();
  const whole = Buffer.concat([one, two]);
  await found.upload.commit(name, digestFor(whole), end(whole.length));
  assert.deepEqual(await first.read(name, digestFor(whole)), whole);
});

test("a node that gives up leaves what another node has stored from the same upload", { skip }, async () => {
  await using server = await startS3Server();
  await using first = await S3Node.open(server);
  await using second = await S3Node.open(server);
  const name = uniqueName();
  const bytes = randomBytes(2 * partBytes);
  const digest = digestFor(bytes);
  const { id, upload } = first.begin(name, { survives: true, inChunks: true });
  await first.append(upload, bytes, 0);
  await upload.flush(bytes.length);
  const found = await second.storage.uploads.recover(id);
  await found?.upload.flush(bytes.length);
  await upload.seal(digest, end(bytes.length));
  await upload.abort();
  assert.ok(upload.isLost, "it knows that another node has the upload");
  await found?.upload.commit(name, digest, end(bytes.length));
  assert.deepEqual(await first.read(name, digest), bytes);
});

/** What a node does with a multipart upload before it is killed: it may have completed the stored parts, or added the last one. */
const completions = [
  ["reading its bytes again", []],
  ["closing the upload", [Buffer.alloc(1000, "the rest")]],
] as const;

for (const [what, rest] of completions)
  for (const more of [0, partBytes + 5])
    test(`an upload goes on, with ${more} more bytes, after its node was killed while ${what}`, {
      skip,
    }, async () => {
      await using server = await startS3Server();
      await using first = await S3Node.open(server);
      await using second = await S3Node.open(server);
      const client = server.client();
      const name = uniqueName();
      const bytes = Buffer.concat([
        randomBytes(2 * partBytes),
        Buffer.alloc(1000, "the rest"),
        randomBytes(more),
      ]);
      const received = bytes.length - more;
      const { id, upload } = first.begin(name, { survives: true });
      await first.append(upload, bytes.subarray(0, received), 0);
      await upload.flush(received);
      const stored = await client.get(keys.upload(id));
      const sent = stored && parseUpload(stored.bytes)?.sent;
      assert.ok(sent !== undefined);
      const last = (sent.parts.at(-1)?.number ?? 0) + 1;
      const added = await Promise.all(
        rest.map((part, index) => client.putPart(sent.key, sent.id, last + index, part)),
      );
      await client.completeMultipart(sent.key, sent.id, [...sent.parts, ...added]);
      const found = await second.storage.uploads.recover(id);
      assert.equal(found?.received, received);
      if (more > 0) await second.append(found.upload, bytes.subarray(received), received);
      await found.upload.commit(name, digestFor(bytes), end(bytes.length));
      assert.ok((await first.read(name, digestFor(bytes)))?.equals(bytes));
      if (rest.length > 0)
        assert.ok((await client.head(sent.key)) !== undefined, "the killed node may have made it a blob");
      assert.deepEqual(await all(client.openMultiparts("")), []);
    });

test("an upload whose parts were aborted is unknown", { skip }, async () => {
  await using server = await startS3Server();
  await using first = await S3Node.open(server);
  await using second = await S3Node.open(server);
  const bytes = randomBytes(partBytes + 1000);
  const { id, upload } = first.begin(uniqueName(), { survives: true });
  await first.append(upload, bytes, 0);
  await upload.flush(bytes.length);
  for await (const { key, id: open } of server.client().openMultiparts(""))
    await server.client().abortMultipart(key, open);
  const found = await second.storage.uploads.recover(id);
  await assert.rejects(async () => found?.upload.commit(uniqueName(), digestFor(bytes), end(bytes.length)), {
    kind: "upload-unknown",
  });
});

for (const inChunks of [false, true])
  test(`parts that are dropped from ${inChunks ? "a chunked" : "a streamed"} upload leave the store`, {
    skip,
  }, async () => {
    await using server = await startS3Server();
    await using node = await S3Node.open(server);
    const name = uniqueName();
    const bytes = randomBytes(3 * partBytes);
    const { upload } = node.begin(name, { survives: true, inChunks });
    await node.append(upload, bytes.subarray(0, 1000), 0);
    await upload.flush(1000);
    await node.append(upload, bytes.subarray(1000), 1000);
    assert.equal((await all(server.client().openMultiparts(""))).length, 1);
    assert.equal(await upload.truncate(1000), 1000);
    await eventually("the parts are removed", async () =>
      (await all(server.client().openMultiparts(""))).length === 0 ? true : undefined,
    );
    await node.append(upload, bytes.subarray(1000), 1000);
    await upload.commit(name, digestFor(bytes), end(bytes.length));
    assert.ok((await node.read(name, digestFor(bytes)))?.equals(bytes));
  });

test("an upload that is being removed is unknown", { skip }, async () => {
  await using server = await startS3Server();
  await using relay = await startFaultRelay(server.port);
  const limits = { ...defaultS3Limits, attemptSeconds: 1, requestSeconds: 2 };
  await using first = await S3Node.open(server, { endpoint: relay.url, limits });
  await using second = await S3Node.open(server);
  const name = uniqueName();
  const { id, upload } = first.begin(name, { survives: true, inChunks: true });
  await first.append(upload, randomBytes(1000), 0);
  await upload.flush(1000);
  relay.inject({ seed: "1", rates: { errorBefore: 1 }, matches: ({ method }) => method === "DELETE" });
  await assert.rejects(upload.abort());
  assert.equal(await second.storage.uploads.recover(id), undefined);
  await second.storage.uploads.remove(id);
  assert.deepEqual(await all(second.storage.uploads.all()), []);
});

test("two nodes that close one upload store it once", { skip }, async () => {
  await using server = await startS3Server();
  await using first = await S3Node.open(server);
  await using second = await S3Node.open(server);
  const name = uniqueName();
  const bytes = randomBytes(2 * partBytes + 5);
  const digest = digestFor(bytes);
  const { id, upload } = first.begin(name, { survives: true });
  await first.append(upload, bytes, 0);
  await upload.flush(bytes.length);
  const found = await second.storage.uploads.recover(id);
  assert.ok(found !== undefined);
  const closed = await Promise.allSettled([
    upload.commit(name, digest, end(bytes.length)),
    found.upload.commit(name, digest, end(bytes.length)),
  ]);
  assert.ok(closed.some(({ status }) => status === "fulfilled"));
  assert.deepEqual(await first.read(name, digest), bytes);
  assert.equal(await first.storage.blobs.checkContent(digest), true);
});

for (const fault of faults)
  test(`an upload is stored once and whole in spite of ${fault}`, { skip }, async () => {
    await using server = await startS3Server();
    await using relay = await startFaultRelay(server.port);
    const limits = { ...defaultS3Limits, attemptSeconds: 2, requestSeconds: 30 };
    await using node = await S3Node.open(server, { endpoint: relay.url, limits });
    relay.inject({ seed: fault, rates: { [fault as Fault]: fault === "hang" ? 0.05 : 0.25 } });
    const name = uniqueName();
    const pushed = await Promise.all(
      [10, 100_000, partBytes + 1, 3 * partBytes + 77].map(async (size) => {
        const bytes = randomBytes(size);
        const digest = digestFor(bytes);
        const { upload } = node.begin(name, { survives: true });
        await node.append(upload, bytes, 0);
        await upload.flush(size);
        await upload.commit(name, digest, end(size));
        return { bytes, digest };
      }),
    );
    relay.inject(undefined);
    for (const { bytes, digest } of pushed) {
      assert.deepEqual(await node.read(name, digest), bytes);
      const content = await server.client().get(keys.content(digest));
      const pointer = await server.client().get(keys.blob(name, digest));
      assert.ok(content !== undefined && pointer !== undefined);
      assert.equal(parseContent(content.bytes)?.key, parsePointer(pointer.bytes)?.key);
    }
  });

test("a store that is gone gives an error that may pass, and the push succeeds when it is back", {
  skip,
}, async () => {
  await using server = await startS3Server();
  const limits = { ...defaultS3Limits, attemptSeconds: 1, requestSeconds: 1 };
  await using node = await S3Node.open(server, { limits });
  const name = uniqueName();
  const bytes = randomBytes(partBytes + 10);
  const { upload } = node.begin(name, { survives: true, inChunks: true });
  await node.append(upload, bytes.subarray(0, 1000), 0);
  await upload.flush(1000);
  await server.kill();
  const isPassing = (error: unknown) =>
    error instanceof RegistryError && error.kind === "storage-unavailable";
  await assert.rejects(async () => {
    await node.append(upload, bytes.subarray(1000), 1000);
    await upload.flush(bytes.length);
  }, isPassing);
  await assert.rejects(node.storage.blobs.size(name, digestFor(bytes)), isPassing);
  await server.start();
  const kept = await upload.truncate(1000);
  assert.equal(kept, 1000, "the end of the last request");
  await node.append(upload, bytes.subarray(1000), 1000);
  await upload.flush(bytes.length);
  await upload.commit(name, digestFor(bytes), end(bytes.length));
  assert.deepEqual(await node.read(name, digestFor(bytes)), bytes);
});

test("data that a crash has left is swept, unless it is unknown what is used", { skip }, async () => {
  await using server = await startS3Server();
  const strays: string[] = [];
  await using node = await S3Node.open(server, { onStray: (what) => strays.push(what) });
  const client = server.client();
  const name = uniqueName();
  const [kept, damaged] = [randomBytes(1000), randomBytes(2000)];
  const digest = await node.push(name, kept);
  await node.push(name, damaged);
  const lost = keys.data(randomUUID());
  await client.put(lost, randomBytes(10));
  await client.createMultipart(keys.data(randomUUID()));
  const sweep = (before: number) => all(node.storage.uploads.abandoned(before));
  await sweep(Date.now() - 60_000);
  assert.ok((await client.head(lost)) !== undefined, "it may belong to a push");
  await client.put(keys.content(digestFor(damaged)), Buffer.from("damaged"));
  await sweep(Date.now() + 60_000);
  assert.ok((await client.head(lost)) !== undefined);
  assert.deepEqual(strays, [keys.content(digestFor(damaged))]);
  assert.deepEqual(await all(client.openMultiparts("")), []);
  await client.delete(keys.content(digestFor(damaged)));
  await node.storage.blobs.remove(name, digestFor(damaged));
  await sweep(Date.now() + 60_000);
  assert.equal(await client.head(lost), undefined);
  assert.deepEqual(await node.read(name, digest), kept);
  assert.equal((await all(client.list(keys.allData))).length, 1);
});

test("slices of a fetch whose node has crashed are swept, and young ones stay", { skip }, async () => {
  await using server = await startS3Server();
  await using node = await S3Node.open(server);
  const { slices, uploads } = node.storage;
  const [id, bytes] = [randomUUID(), randomBytes(3000)];
  await slices?.put(id, 0, bytes.subarray(0, 2000));
  await slices?.put(id, 2000, bytes.subarray(2000));
  await all(uploads.abandoned(Date.now() - 60_000));
  const kept = [await slices?.read(id, 0), await slices?.read(id, 2000)];
  assert.deepEqual(Buffer.concat(kept.map((slice) => slice ?? Buffer.alloc(0))), bytes);
  await all(uploads.abandoned(Date.now() + 60_000));
  assert.equal(await slices?.read(id, 0), undefined);
  assert.deepEqual(await all(server.client().list(keys.slices)), []);
});

test("a large blob whose data is gone is repaired in all repositories by the next push", {
  skip,
}, async () => {
  await using server = await startS3Server();
  await using node = await S3Node.open(server);
  const [one, two, three] = [uniqueName(), uniqueName(), uniqueName()];
  const bytes = randomBytes(partBytes + 99);
  const digest = await node.push(one, bytes);
  await node.storage.blobs.mount(digest, two, one);
  const pointer = await server.client().get(keys.blob(one, digest));
  const key = pointer && parsePointer(pointer.bytes)?.key;
  assert.ok(key !== undefined);
  await server.client().delete(key);
  assert.equal(await node.storage.blobs.checkContent(digest), false);
  const { upload } = node.begin(three, { survives: false });
  await node.append(upload, bytes, 0);
  assert.ok((await upload.commit(three, digest, end(bytes.length))).healed);
  for (const name of [one, two, three]) assert.deepEqual(await node.read(name, digest), bytes);
  assert.equal((await all(server.client().list(keys.allData))).length, 1);
});
