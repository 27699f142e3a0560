// Tags and manifests of an upstream registry: fresh for a while, then compared by one request, and served stale when the
// upstream fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Answer, assertError, serve } from "../support/client.js";
import { describe, type Image, image, index, newName } from "../support/content.js";
import { historyOf, rollbackPath } from "../support/tag-history.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const tagMilliseconds = 300;
const { client } = await serve(
  cacheOf(upstream, {
    tagttl: `${tagMilliseconds}ms`,
    absentttl: "100ms",
    staletimeout: "800ms",
    timeout: "2s",
  }),
);

/** A repository of the upstream whose tag `1` is an image. */
function repository(): { name: string; made: Image; path: string } {
  const name = newName("library/app");
  const made = image();
  upstream.add(name, made, "1");
  upstream.take();
  return { name, made, path: `/v2/${name}/manifests/1` };
}

function isOf(answer: Answer, { digest, mediaType, bytes }: Image): void {
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["docker-content-digest"], digest);
  assert.equal(answer.headers["content-type"], mediaType);
  assert.ok(answer.body.equals(bytes));
}

/** Waits until the tag is no longer fresh. */
const expired = () => pause(tagMilliseconds + 20);

test("many clients of a cold tag cause one request, and none while it is fresh", async () => {
  const { made, path } = repository();
  const answers = await Promise.all(Array.from({ length: 32 }, () => client.get(path)));
  for (const answer of answers) isOf(answer, made);
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
  isOf(await client.get(path), made);
  assert.equal((await client.head(path)).headers["docker-content-digest"], made.digest);
  assert.deepEqual(upstream.take(), []);
});

test("a tag that is no longer fresh is compared by one HEAD for all clients, and fetched if it moved", async () => {
  const { name, made, path } = repository();
  isOf(await client.get(path), made);
  await expired();
  upstream.take();
  for (const answer of await Promise.all(Array.from({ length: 16 }, () => client.get(path))))
    isOf(answer, made);
  assert.deepEqual(upstream.take(), [`HEAD ${path}`]);
  const moved = image();
  upstream.add(name, moved, "1");
  await expired();
  for (const answer of await Promise.all(Array.from({ length: 16 }, () => client.get(path))))
    isOf(answer, moved);
  assert.deepEqual(upstream.take(), [`HEAD ${path}`, `GET ${path}`]);
  isOf(await client.get(`/v2/${name}/manifests/${made.digest}`), made);
  assert.deepEqual(upstream.take(), []);
});

test("a tag that is pulled shortly before its time ends is refreshed in the background", async () => {
  const { made, path } = repository();
  isOf(await client.get(path), made);
  upstream.take();
  await pause(tagMilliseconds * 0.85);
  isOf(await client.get(path), made);
  await pause(tagMilliseconds * 0.5);
  isOf(await client.get(path), made);
  assert.deepEqual(upstream.take(), [`HEAD ${path}`]);
});

/** What an upstream may do instead of answering. */
const failures: Readonly<Record<string, ScriptedUpstream["misbehave"]>> = {
  "429": (_, response) => !!response.writeHead(429, { "Retry-After": "2" }).end(),
  "500": (_, response) => !!response.writeHead(500).end(),
  "503": (_, response) => !!response.writeHead(503).end("<html>"),
  "a reset": (_, response) => !!response.destroy(),
  silence: () => true,
};

for (const [how, misbehave] of Object.entries(failures)) {
  test(`if the upstream answers with ${how}, a cached tag is served as it was, with a header`, async () => {
    const { made, path } = repository();
    isOf(await client.get(path), made);
    await expired();
    upstream.misbehave = misbehave;
    try {
      const begun = performance.now();
      const answer = await client.get(path);
      isOf(answer, made);
      assert.match(String(answer.headers["cache-status"]), /stale/);
      assert.ok(performance.now() - begun < 1500, "the client waits for a bounded time");
      const cold = await client.get(`/v2/${newName("library/cold")}/manifests/1`);
      assert.ok([502, 504].includes(cold.status), String(cold.status));
      assert.match(cold.body.toString(), /the upstream docker\.io/);
    } finally {
      upstream.misbehave = () => false;
      // After a failure, the upstream is not asked for a while.
      await recovered(path);
    }
  });
}

/** Waits until the upstream is asked again. */
async function recovered(path: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if ((await client.get(path)).headers["cache-status"] === undefined) return;
    await pause(100);
  }
  assert.fail("the upstream is not asked again");
}

test("the history of a cached tag says when it moved at its upstream, and nobody goes back in it", async () => {
  const { name, made, path } = repository();
  isOf(await client.get(path), made);
  const moved = image();
  upstream.add(name, moved, "1");
  await expired();
  isOf(await client.get(path), moved);
  const entries = await historyOf(client, name, "1");
  assert.deepEqual(
    entries.map(({ digest, by, current }) => [digest, by, current]),
    [
      [moved.digest, "upstream:docker.io", true],
      [made.digest, "upstream:docker.io", false],
    ],
  );
  const back = await client.request("POST", rollbackPath(name, "1", made.digest));
  assertError(back, 403, "DENIED");
});

test("a tag that the upstream has deleted is served from the cache", async () => {
  const { name, made, path } = repository();
  isOf(await client.get(path), made);
  upstream.removeTag(name, "1");
  await expired();
  isOf(await client.get(path), made);
});

test("a missing tag is asked for once in its time", async () => {
  const name = newName("library/none");
  const path = `/v2/${name}/manifests/1`;
  upstream.take();
  for (let count = 0; count < 5; count++) assert.equal((await client.get(path)).status, 404);
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
  await pause(120);
  const made = image();
  upstream.add(name, made, "1");
  isOf(await client.get(path), made);
});

test("an index is answered without its images, and each image is fetched when it is requested", async () => {
  const name = newName("library/multi");
  const [amd64, arm64] = [image(), image()];
  const both = index([amd64, arm64]);
  for (const one of [amd64, arm64]) upstream.add(name, one);
  upstream.add(name, both, "1");
  upstream.take();
  isOf(await client.get(`/v2/${name}/manifests/1`), both);
  isOf(await client.get(`/v2/${name}/manifests/${amd64.digest}`), amd64);
  assert.deepEqual(upstream.take(), [
    `GET /v2/${name}/manifests/1`,
    `GET /v2/${name}/manifests/${amd64.digest}`,
  ]);
});

test("tags and referrers are those of the upstream and of the cache together", async () => {
  const { name, made, path } = repository();
  await client.get(path);
  upstream.removeTag(name, "1");
  upstream.add(name, image(), "2");
  const { tags } = (await client.get(`/v2/${name}/tags/list`)).json() as { tags: string[] };
  assert.deepEqual(tags, ["1", "2"]);
  const signature = image({ artifactType: "application/vnd.example.signature", subject: describe(made) });
  upstream.add(name, signature);
  const listed = (await client.get(`/v2/${name}/referrers/${made.digest}`)).json() as {
    manifests: { digest: string }[];
  };
  assert.deepEqual(
    listed.manifests.map(({ digest }) => digest),
    [signature.digest],
  );
  isOf(await client.get(`/v2/${name}/manifests/${signature.digest}`), signature);
});
