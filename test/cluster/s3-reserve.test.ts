// The reserve of a store, on an S3 server whose file system is full: it makes room for the lock, of which one node gets it,
// and for what removes things, but not for pushes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { S3Client } from "../../src/storage/s3/client.js";
import { isFull, portError } from "../../src/storage/s3/failure.js";
import { keys } from "../../src/storage/s3/keys.js";
import { prepareStore } from "../../src/storage/s3/prepare.js";
import { S3Requests } from "../../src/storage/s3/requests.js";
import { Reserve } from "../../src/storage/s3/reserve.js";
import { StoreInUse } from "../../src/storage/store-in-use.js";
import { fillStore, unfillStore } from "../support/full-store.js";
import { needsMounts, needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";

const skip = needsVersitygw || needsMounts();
const storeMebibytes = 20;

/** A node with a reserve, and what it was told. */
function nodeOf(server: S3Server) {
  const { place, limits } = server.client().requests;
  const changes: boolean[] = [];
  const reserve = new Reserve((isMissing) => void changes.push(isMissing));
  const credentials = async () => ({ accessKeyId: server.accessKey, secretAccessKey: server.secretKey });
  const requests = new S3Requests(place, limits, credentials, undefined, {
    before: (request) => reserve.before(request),
    makeRoom: (sender, request) => reserve.makeRoom(sender, request),
  });
  const client = new S3Client(requests);
  return { client, reserve, changes, [Symbol.asyncDispose]: () => client.close() };
}

const ignored = () => {};
const starting = { create: true, onLost: ignored, onWaiting: ignored, onError: ignored };
const pushed = keys.data("11111111-1111-4111-8111-111111111111");

test("of nodes that start at once on a full store, one gets it", { skip }, async () => {
  await using server = await startS3Server("versitygw", storeMebibytes);
  {
    await using node = nodeOf(server);
    const { lock } = await prepareStore(node.client, starting);
    await node.reserve.look(node.client);
    await lock.release();
  }
  fillStore(server);
  const nodes = Array.from({ length: 4 }, () => nodeOf(server));
  await using _ = { [Symbol.asyncDispose]: async () => void (await Promise.all(nodes.map(close))) };
  const results = await Promise.allSettled(nodes.map(({ client }) => prepareStore(client, starting)));
  const prepared = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  assert.equal(prepared.length, 1);
  for (const result of results)
    if (result.status === "rejected") assert.ok(result.reason instanceof StoreInUse, String(result.reason));
  await prepared[0]?.lock.renew();
  assert.ok(prepared[0]?.lock.isSure);
  await prepared[0]?.lock.release();
});

async function close(node: AsyncDisposable): Promise<void> {
  await node[Symbol.asyncDispose]();
}

test("a reserve is given up for upkeep, not for pushes, and restored when there is room", {
  skip,
}, async () => {
  await using server = await startS3Server("versitygw", storeMebibytes);
  await using node = nodeOf(server);
  await using other = nodeOf(server);
  const { client, reserve, changes } = node;
  await reserve.look(client);
  await other.reserve.look(other.client);
  fillStore(server);
  await assert.rejects(client.put(pushed, Buffer.from("x")), isFull);
  assert.ok((await client.head(keys.reserve)) !== undefined, "a push does not use it");
  await client.put(keys.note("leases"), Buffer.from("x"));
  await client.put(keys.catalogued("app" as never), Buffer.alloc(0));
  assert.equal(await client.head(keys.reserve), undefined);
  const { PUT: before } = client.requests.sent;
  await assert.rejects(client.put(pushed, Buffer.from("x")), (error) => {
    assert.equal((portError(error) as { kind?: string }).kind, "storage-full");
    return true;
  });
  assert.equal(client.requests.sent.PUT, before, "the store is not asked");
  await reserve.look(client);
  assert.deepEqual(changes, [true], "there is no room for it");
  const { PUT: attempted } = client.requests.sent;
  assert.notEqual(attempted, before);
  await other.reserve.look(other.client);
  await assert.rejects(other.client.put(pushed, Buffer.from("x")), isFull, "other nodes notice");
  assert.deepEqual(other.changes, [true]);
  await unfillStore(server);
  // An attempt has failed just now.
  await reserve.look(client);
  assert.equal(client.requests.sent.PUT, attempted, "the next attempt waits");
  await client.delete(pushed);
  await reserve.look(client);
  await other.reserve.look(other.client);
  assert.deepEqual(
    [changes, other.changes],
    [
      [true, false],
      [true, false],
    ],
  );
  await other.client.put(pushed, Buffer.from("x"));
  assert.equal(await client.head(keys.reserveRoom), undefined);
});

test("without room for the reserve itself, a request fails as the store says", { skip }, async () => {
  await using server = await startS3Server("versitygw", storeMebibytes);
  await using node = nodeOf(server);
  fillStore(server);
  await node.reserve.look(node.client);
  await assert.rejects(node.client.put(keys.note("x"), Buffer.from("x")), isFull);
  await assert.rejects(prepareStore(node.client, starting), /cannot be used as a store: .* free space/);
});
