// The bound of the cache: what goes, what stays, and that clients notice neither.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { parseDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import type { Server } from "../../src/server/server.js";
import { Client } from "../support/client.js";
import { type Blob, blobOf, descriptorOf, image, newName, types } from "../support/content.js";
import { serveInside, startInsideOn } from "../support/server.js";
import { eventually } from "../support/store.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const kibibyte = 1024;

async function newServer(
  settings: Readonly<Record<string, unknown>>,
): Promise<{ server: Server; client: Client }> {
  const server = await serveInside({
    ...cacheOf(upstream, { ttl: "0s", ...settings }),
    REGISTRY_UPLOADS_WORKERS: "1",
  });
  return { server, client: new Client(server.url) };
}

/** A blob at the upstream, in a repository of its own unless `name` is given. */
function offer(kibibytes: number, name = newName("library/app")): { name: string; blob: Blob; path: string } {
  const blob = blobOf(kibibytes * kibibyte);
  upstream.addBlob(name, blob);
  return { name, blob, path: `/v2/${name}/blobs/${blob.digest}` };
}

async function pull(client: Client, { path, blob }: { path: string; blob: Blob }): Promise<void> {
  const { status, body } = await client.get(path);
  assert.equal(status, 200);
  assert.ok(body.equals(blob.bytes));
  // Times of use are milliseconds.
  await pause(2);
}

async function isCached(
  { services }: Server,
  { name, blob }: { name: string; blob: Blob },
): Promise<boolean> {
  const stored = parseRepositoryName(`docker.io/${name}`);
  return (await services.storage.blobs.size(stored, parseDigest(blob.digest))) !== undefined;
}

test("above the limit, the longest unused goes, and is fetched again when it is requested", async () => {
  const { server, client } = await newServer({ maxmib: 1 });
  const [one, two, three] = [offer(400), offer(400), offer(400)];
  await pull(client, one);
  await pull(client, two);
  // From memory or disk, each pull is a use.
  await pull(client, one);
  await pull(client, three);
  await eventually("the eviction", async () => ((await isCached(server, two)) ? undefined : true));
  assert.deepEqual([await isCached(server, one), await isCached(server, three)], [true, true]);
  upstream.take();
  await pull(client, one);
  assert.deepEqual(upstream.take(), []);
  await pull(client, two);
  assert.deepEqual(upstream.take(), [`GET ${two.path}`]);
});

test("a HEAD of a blob is a use, too", async () => {
  const { server, client } = await newServer({ maxmib: 1 });
  const [one, two, three] = [offer(400), offer(400), offer(400)];
  await pull(client, one);
  await pull(client, two);
  await client.head(one.path);
  await pause(2);
  await pull(client, three);
  await eventually("the eviction", async () => ((await isCached(server, two)) ? undefined : true));
  assert.equal(await isCached(server, one), true);
});

test("content that several repositories share counts once, and goes from all of them", async () => {
  const { server, client } = await newServer({ maxmib: 1 });
  const first = offer(600);
  const second = { ...first, name: newName("library/other") };
  upstream.addBlob(second.name, first.blob);
  const third = offer(300);
  await pull(client, first);
  await pull(client, { ...second, path: `/v2/${second.name}/blobs/${first.blob.digest}` });
  await pull(client, third);
  const report = await server.upstreams?.evictor.run();
  assert.equal(report?.bytes, 900 * kibibyte);
  assert.deepEqual(report?.evicted, []);
  const fourth = offer(400);
  await pull(client, fourth);
  for (const one of [first, second])
    await eventually("the eviction", async () => ((await isCached(server, one)) ? undefined : true));
  assert.equal(await isCached(server, third), true);
});

test("content that a pushed repository shares is neither counted nor evicted, and pushed content stays", async () => {
  const { server, client } = await newServer({ maxmib: 1 });
  const shared = offer(900);
  await client.pushBlobs("team/app", shared.blob);
  const pushed = blobOf(2 * kibibyte * kibibyte);
  await client.pushBlobs("team/app", pushed);
  await pull(client, shared);
  const other = offer(900);
  await pull(client, other);
  const second = { ...shared, name: newName("library/other") };
  upstream.addBlob(second.name, shared.blob);
  await pull(client, { ...second, path: `/v2/${second.name}/blobs/${shared.blob.digest}` });
  const report = await server.upstreams?.evictor.run();
  assert.equal(report?.bytes, 900 * kibibyte);
  for (const one of [shared, second, other]) assert.equal(await isCached(server, one), true);
  for (const { digest } of [shared.blob, pushed])
    assert.equal((await client.head(`/v2/team/app/blobs/${digest}`)).status, 200);
});

/** Begins a download and leaves the body unread. */
function begin(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, resolve).once("error", reject);
  });
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("what is being read stays until its reader has all of it", async () => {
  const { server, client } = await newServer({ maxmib: 1 });
  const large = offer(24 * kibibyte);
  const arriving = await begin(server.url + large.path);
  await eventually("the fetch", async () => ((await isCached(server, large)) ? true : undefined));
  const stored = await begin(server.url + large.path);
  // More recently used than the one that is being read.
  const small = offer(100);
  await pull(client, small);
  await server.upstreams?.evictor.run();
  assert.equal(await isCached(server, large), true);
  for (const reading of [arriving, stored]) assert.ok((await bodyOf(reading)).equals(large.blob.bytes));
  await eventually("the end of the reads", async () => {
    await server.upstreams?.evictor.run();
    return (await isCached(server, large)) ? undefined : true;
  });
});

test("content that nobody pulled for its time goes with its tags, and its repository leaves the catalog", async () => {
  const { server, client } = await newServer({ ttl: "1s", tagttl: "1h" });
  const [used, unused] = [newName("library/used"), newName("library/unused")];
  const layer = blobOf(10_000);
  for (const name of [used, unused]) {
    const made = image({ layers: [descriptorOf(layer, types.layer)] });
    upstream.add(name, { ...made, blobs: [...made.blobs, layer] }, "1");
    assert.equal((await client.get(`/v2/${name}/manifests/1`)).status, 200);
    for (const { digest } of [...made.blobs, layer])
      assert.equal((await client.get(`/v2/${name}/blobs/${digest}`)).status, 200);
  }
  const name = parseRepositoryName(`docker.io/${unused}`);
  const { storage } = server.services;
  await eventually("the eviction", async () => {
    assert.equal((await client.get(`/v2/${used}/manifests/1`)).status, 200);
    return (await storage.manifests.list(name)).length === 0 ? true : undefined;
  });
  assert.equal(await storage.tags.resolve(name, "1" as never), undefined);
  await eventually("the end of the repository", async () => {
    assert.equal((await client.get(`/v2/${used}/manifests/1`)).status, 200);
    const { repositories } = (await client.get("/v2/_catalog")).json() as { repositories: string[] };
    assert.ok(repositories.includes(`docker.io/${used}`));
    return repositories.length === 1 ? true : undefined;
  });
  upstream.take();
  assert.equal((await client.get(`/v2/${unused}/manifests/1`)).status, 200);
  assert.deepEqual(upstream.take(), [`GET /v2/${unused}/manifests/1`]);
});

test("times of use survive a restart", async () => {
  const root = await mkdtemp(join(tmpdir(), "gantry-uses-"));
  after(() => rm(root, { recursive: true, force: true }));
  const [one, two, three] = [offer(400), offer(400), offer(400)];
  const settings = (maxmib: number) => cacheOf(upstream, { ttl: "0s", maxmib });
  const before = await startInsideOn(root, settings(0));
  for (const each of [one, two]) await pull(new Client(before.url), each);
  await pause(1100);
  await pull(new Client(before.url), one);
  await before.stop();
  const restarted = await startInsideOn(root, settings(1));
  try {
    await pull(new Client(restarted.url), three);
    await eventually("the eviction", async () => ((await isCached(restarted, two)) ? undefined : true));
    assert.equal(await isCached(restarted, one), true);
  } finally {
    await restarted.stop();
  }
});

test("clients that pull while everything is evicted all the time get complete bodies", async () => {
  const { server, client } = await newServer({ maxmib: 1 });
  const name = newName("library/busy");
  const made = image();
  upstream.add(name, made, "1");
  const large = offer(2 * kibibyte, name);
  let isDone = false;
  const evicting = (async () => {
    while (!isDone) await server.upstreams?.evictor.evict({ bytesMax: 0 });
  })();
  try {
    for (let round = 0; round < 20; round++)
      await Promise.all([
        pull(client, large),
        ...["1", made.digest].map(async (reference) => {
          const { status, body } = await client.get(`/v2/${name}/manifests/${reference}`);
          assert.equal(status, 200, body.toString());
        }),
        ...made.blobs.map(async (blob) => pull(client, { blob, path: `/v2/${name}/blobs/${blob.digest}` })),
      ]);
  } finally {
    isDone = true;
    await evicting;
  }
});
