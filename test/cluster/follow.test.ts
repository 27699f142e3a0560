/**
 * Two nodes of a bucket that cache an upstream. While one fetches a blob, clients of the other one follow it: they get bytes
 * long before the end, the upstream sees one request, and no failure gives them a complete wrong body.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { type Blob, blobOf, newName } from "../support/content.js";
import { type Download, download } from "../support/download.js";
import { startRedisServer } from "../support/redis-server.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { until } from "../support/until.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const mebibyte = 1024 * 1024;
const skip = needsVersitygw;

const upstream = await ScriptedUpstream.start();
const server = await startS3Server();
const engine = await startRedisServer();

const options = {
  redis: `127.0.0.1:${engine.port}`,
  settings: {
    ...cacheOf(upstream),
    REGISTRY_STORAGE_REDIRECT_DISABLE: "true",
    // A node that stops waits for its clients.
    REGISTRY_HTTP_DRAINTIMEOUT: "1s",
  },
};
const one = await startS3Node(server, options);
const two = await startS3Node(server, options);
after(async () => {
  for (const node of [one, two]) await node.stop();
  await engine.stop();
  await server.stop();
});
const client = new Client(two.url);

/** A repository of the upstream with one large blob. */
function large(bytes = 24 * mebibyte + 77): { name: string; blob: Blob; path: string } {
  const name = newName("library/app");
  const blob = blobOf(bytes);
  upstream.addBlob(name, blob);
  upstream.take();
  return { name, blob, path: `/v2/${name}/blobs/${blob.digest}` };
}

/** Keys of slices in the bucket. */
async function slices(): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of server.client().list("slices/")) found.push(key);
  return found;
}

/** Begins a download at each node, of a blob of which the upstream has sent the first 10 MiB. */
async function follow(path: string): Promise<{ first: Download; second: Download }> {
  upstream.holdAfter = 10 * mebibyte;
  const first = await download(`${one.url}${path}`, 10 * mebibyte);
  const second = await download(`${two.url}${path}`, 10 * mebibyte);
  return { first, second };
}

test("clients of the other node get bytes while the upstream still sends, by one request", {
  skip,
}, async () => {
  const { blob, path } = large();
  upstream.holdAfter = 10 * mebibyte;
  const first = await download(`${one.url}${path}`, 10 * mebibyte);
  assert.deepEqual(await slices(), [], "nobody watches");
  const second = await download(`${two.url}${path}`, 10 * mebibyte);
  assert.notEqual((await slices()).length, 0);
  assert.ok(second.received.equals(blob.bytes.subarray(0, 10 * mebibyte)));
  const { headers } = await client.head(path);
  assert.equal(headers["content-length"], String(blob.bytes.length));
  const range = `bytes=${9 * mebibyte}-${9 * mebibyte + 9}`;
  const ranged = await client.get(path, { Range: range });
  assert.equal(ranged.status, 206);
  assert.ok(ranged.body.equals(blob.bytes.subarray(9 * mebibyte, 9 * mebibyte + 10)));
  const last = client.get(path, { Range: "bytes=-10" });
  upstream.release();
  for (const { ended } of [first, second]) assert.ok((await ended).equals(blob.bytes));
  assert.ok((await last).body.equals(blob.bytes.subarray(-10)));
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
  await until("the slices are removed", async () => (await slices()).length === 0);
});

test("a client that reads slowly at the other node slows neither the fetch nor others", {
  skip,
}, async () => {
  const { blob, path } = large(64 * mebibyte);
  const { first, second } = await follow(path);
  second.pause();
  upstream.release();
  assert.ok((await first.ended).equals(blob.bytes));
  assert.ok((await client.get(path)).body.equals(blob.bytes));
  assert.ok(second.bytes() < blob.bytes.length);
  second.resume();
  assert.ok((await second.ended).equals(blob.bytes));
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
});

test("a fetch that breaks and resumes goes on for the clients of both nodes", { skip }, async () => {
  const { blob, path } = large();
  const { first, second } = await follow(path);
  upstream.holdAfter = Number.POSITIVE_INFINITY;
  upstream.cut();
  for (const { ended } of [first, second]) assert.ok((await ended).equals(blob.bytes));
  const [, resumed] = upstream.requests;
  assert.match(resumed?.headers.range ?? "", /^bytes=\d+-$/);
  assert.equal(upstream.take().length, 2);
});

test("clients of both nodes get a broken connection if the bytes are wrong, and nothing is stored", {
  skip,
}, async () => {
  const { name, blob } = large();
  const wrong = blobOf(blob.bytes.length);
  upstream.addBlob(name, { digest: wrong.digest, bytes: blob.bytes });
  const path = `/v2/${name}/blobs/${wrong.digest}`;
  const { first, second } = await follow(path);
  upstream.release();
  for (const { ended } of [first, second]) await assert.rejects(ended);
  assert.ok(second.bytes() < blob.bytes.length);
  await until("the slices are removed", async () => (await slices()).length === 0);
  upstream.addBlob(name, wrong);
  assert.ok((await client.get(path)).body.equals(wrong.bytes));
});

test("if the fetching node stops, the other one goes on for its clients at once", { skip }, async () => {
  const { blob, path } = large();
  const { first, second } = await follow(path);
  first.destroy();
  await one.end();
  upstream.release();
  assert.ok((await second.ended).equals(blob.bytes));
  assert.deepEqual(upstream.take(), [`GET ${path}`, `GET ${path}`]);
  await one.start();
});

test("if the fetching node is killed, the other one goes on for its clients", { skip }, async () => {
  const { blob, path } = large();
  const { second } = await follow(path);
  await one.kill();
  upstream.release();
  assert.ok((await second.ended).equals(blob.bytes));
  assert.deepEqual(upstream.take(), [`GET ${path}`, `GET ${path}`]);
  assert.notEqual((await slices()).length, 0, "left to the sweep of abandoned uploads");
  await one.start();
});

test("if the engine is lost, each node goes on for its clients", { skip }, async () => {
  const { blob, path } = large();
  const { first, second } = await follow(path);
  await engine.kill();
  upstream.release();
  for (const { ended } of [first, second]) assert.ok((await ended).equals(blob.bytes));
  assert.ok(upstream.take().length <= 2);
  await engine.restart();
});
