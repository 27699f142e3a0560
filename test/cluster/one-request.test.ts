/** Two nodes of a bucket that cache an upstream: what one of them has asked, the other one does not ask again. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import { startRedisServer } from "../support/redis-server.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const skip = needsVersitygw;
const tagSeconds = 5;

const upstream = await ScriptedUpstream.start();
const server = await startS3Server();
const engine = await startRedisServer();

const options = {
  redis: `127.0.0.1:${engine.port}`,
  settings: cacheOf(upstream, { tagttl: `${tagSeconds}s`, absentttl: "60s" }),
};
const nodes = [await startS3Node(server, options), await startS3Node(server, options)];
after(async () => {
  for (const node of nodes) await node.stop();
  await engine.stop();
  await server.stop();
});
const clients = nodes.map(({ url }) => new Client(url));

/** The upstream takes so long that requests at both nodes meet. */
upstream.misbehave = async () => {
  await pause(500);
  return false;
};

/** Requests a path at both nodes at once. Resolves with the status and digest of the answers. */
function both(path: string): Promise<(readonly [number, string])[]> {
  return Promise.all(
    clients.map(async (client) => {
      const { status, headers } = await client.get(path);
      return [status, String(headers["docker-content-digest"] ?? "")] as const;
    }),
  );
}

/** An image of the upstream with the tag `1`, or another one for that tag. */
function tagged(name = newName("library/app")) {
  const made = image();
  upstream.add(name, made, "1");
  upstream.take();
  return { name, digest: made.digest, path: `/v2/${name}/manifests/1` };
}

test("a manifest that both nodes need at once is fetched once, by digest or by tag", { skip }, async () => {
  const { name, digest, path } = tagged();
  const byDigest = `/v2/${name}/manifests/${digest}`;
  const found = [200, digest] as const;
  assert.deepEqual(await both(byDigest), [found, found]);
  assert.deepEqual(upstream.take(), [`GET ${byDigest}`]);
  const other = tagged();
  const foundByTag = [200, other.digest] as const;
  assert.deepEqual(await both(other.path), [foundByTag, foundByTag]);
  assert.deepEqual(upstream.take(), [`GET ${other.path}`]);
  assert.notEqual(path, other.path);
});

test("a tag that one node has compared is fresh at the other one, and both compare it once", {
  skip,
}, async () => {
  const { name, digest, path } = tagged();
  const begun = performance.now();
  for (const client of clients) assert.equal((await client.get(path)).status, 200);
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
  await pause(begun + tagSeconds * 1000 + 1500 - performance.now());
  const found = [200, digest] as const;
  assert.deepEqual(await both(path), [found, found]);
  assert.deepEqual(upstream.take(), [`HEAD ${path}`]);
  const moved = tagged(name);
  await pause(tagSeconds * 1000 + 500);
  const foundMoved = [200, moved.digest] as const;
  assert.deepEqual(await both(path), [foundMoved, foundMoved]);
  assert.deepEqual(upstream.take(), [`HEAD ${path}`, `GET ${path}`]);
});

test("what the upstream does not have is asked for once, by both nodes at once and one after the other", {
  skip,
}, async () => {
  const name = newName("library/none");
  const { digest } = blobOf(100);
  for (const path of ["manifests/1", `manifests/${digest}`, `blobs/${digest}`].map(
    (last) => `/v2/${name}/${last}`,
  )) {
    upstream.take();
    for (const answers of [await both(path), await both(path)])
      assert.deepEqual(
        answers.map(([status]) => status),
        [404, 404],
      );
    assert.deepEqual(upstream.take(), [`GET ${path}`]);
  }
});
