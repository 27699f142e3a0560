/**
 * Two nodes of a bucket that cache an upstream. While one fetches a blob, clients of the other one follow it: they get bytes
 * long before the end, the upstream sees one request, and no failure gives them a complete wrong body.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { type Blob, blobOf, newName } from "../support/content.js";
import { download } from "../support/download.js";
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
after(() => engine.stop());
after(() => server.stop());

const options = {
  redis: `127.0.0.1:${engine.port}`,
  settings: { ...cacheOf(upstream), REGISTRY_STORAGE_REDIRECT_DISABLE: "true" },
};
const one = await startS3Node(server, options);
after(() => one.stop());
const two = await startS3Node(server, options);
after(() => two.stop());
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

test("clients of the other node get bytes while the upstream still sends, by one request", {
  skip,
}, async () => {
  const { blob, path } = large();
  upstream.holdAfter = 10 * mebibyte;
  const first = await download(`${one.url}${path}`, 10 * mebibyte);
  const second = await download(`${two.url}${path}`, 10 * mebibyte);
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
