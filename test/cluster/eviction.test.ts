/** Two nodes of a bucket that cache an upstream: the uses of both decide what is evicted, and the bytes leave the bucket. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import { startRedisServer } from "../support/redis-server.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const kibibyte = 1024;

test("what a node evicts is what no node has used", { skip: needsVersitygw }, async (context) => {
  await using server = await startS3Server();
  const engine = await startRedisServer();
  context.after(() => engine.stop());
  const options = {
    redis: `127.0.0.1:${engine.port}`,
    settings: {
      ...cacheOf(upstream, { ttl: "0s", maxmib: 1 }),
      REGISTRY_STORAGE_REDIRECT_DISABLE: "true",
    },
  };
  await using one = await startS3Node(server, options);
  await using two = await startS3Node(server, options);
  const offers = Array.from({ length: 3 }, () => {
    const name = newName("library/app");
    const blob = blobOf(400 * kibibyte);
    upstream.addBlob(name, blob);
    return { path: `/v2/${name}/blobs/${blob.digest}`, blob };
  });
  const pull = async (url: string, index: number) => {
    const { path, blob } = offers[index] ?? assert.fail();
    assert.ok((await new Client(url).get(path)).body.equals(blob.bytes));
  };
  await pull(one.url, 0);
  await pull(one.url, 1);
  await pause(1100);
  upstream.take();
  await pull(two.url, 0);
  assert.deepEqual(upstream.take(), [], "the nodes share what they have fetched");
  // A node saves its times of use when it stops.
  await two.end();
  await pull(one.url, 2);
  // Not asked repeatedly, because a HEAD is a use. A node asks its upstream only if the blob is not here.
  await pause(3000);
  const isGone = async (index: number) => {
    upstream.take();
    await new Client(one.url).head(offers[index]?.path ?? "");
    return upstream.take().length > 0;
  };
  assert.deepEqual([await isGone(0), await isGone(1), await isGone(2)], [false, true, false]);
});
