// Immutable tags and retention, through the server: no route moves or removes immutable content, and expired tags are
// removed automatically.

import assert from "node:assert/strict";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseTag, type Tag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { applyRetention } from "../../src/registry/apply-retention.js";
import { assertError, Client } from "../support/client.js";
import { type Image, image, index, newName, types } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { serveInside } from "../support/server.js";
import { eventually } from "../support/store.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-policy-"));
after(() => rm(folder, { recursive: true, force: true }));
const policy = join(folder, "policy.json");
await writeFile(
  policy,
  JSON.stringify({
    immutable: [{ tags: "v*" }],
    retention: [{ repositories: "ci-*", tags: "pr-*", keepLast: 1, keepPulledWithin: "10d" }],
  }),
);
const server = await serveInside({ REGISTRY_TAGS_POLICY: policy, REGISTRY_GC_INTERVAL: "0s" });
const client = new Client(server.url);

test("an immutable tag is pushed once, and again only with the same manifest", async () => {
  const name = newName();
  const [made, other] = [image(), image()];
  await client.pushImage(name, made, "v1");
  await client.pushImage(name, made, "v1");
  await client.pushBlobs(name, ...other.blobs);
  assertError(await client.putManifest(name, "v1", other.bytes, types.manifest), 403, "DENIED");
  assertError(
    await client.putManifest(name, `${other.digest}?tag=free&tag=v1`, other.bytes, types.manifest),
    403,
    "DENIED",
  );
  assert.equal((await client.head(`/v2/${name}/manifests/${other.digest}`)).status, 404, "nothing is stored");
  assert.equal((await client.head(`/v2/${name}/manifests/free`)).status, 404);
  assert.ok((await client.get(`/v2/${name}/manifests/v1`)).body.equals(made.bytes));
});

test("an immutable tag cannot be deleted, neither alone nor with its manifest", async () => {
  const name = newName();
  const made = image();
  await client.pushImage(name, made, "v1");
  await client.pushImage(name, made, "latest");
  assertError(await client.delete(`/v2/${name}/manifests/v1`), 403, "DENIED");
  assertError(await client.delete(`/v2/${name}/manifests/${made.digest}`), 403, "DENIED");
  const { tags } = (await client.get(`/v2/${name}/tags/list`)).json() as { tags: string[] };
  assert.deepEqual(tags, ["latest", "v1"], "no tag of the manifest is removed");
  assert.equal((await client.delete(`/v2/${name}/manifests/latest`)).status, 202);
});

test("content of an immutable image cannot be deleted, even below an index; other content can", async () => {
  const name = newName();
  const [inside, outside] = [image(), image()];
  const list = index([inside]);
  for (const one of [inside, outside]) await client.pushImage(name, one);
  await client.pushImage(name, list, "v1");
  const blobs = (one: Image) => one.blobs.map(({ digest }) => `/v2/${name}/blobs/${digest}`);
  for (const path of [...blobs(inside), `/v2/${name}/manifests/${inside.digest}`])
    assertError(await client.delete(path), 403, "DENIED");
  for (const path of [`/v2/${name}/manifests/${outside.digest}`, ...blobs(outside)])
    assert.equal((await client.delete(path)).status, 202, path);
  for (const path of blobs(inside)) assert.equal((await client.head(path)).status, 200);
});

test("of many concurrent pushes of an immutable tag one succeeds, and the tag is its own", async () => {
  const name = newName();
  const images = Array.from({ length: 16 }, () => image());
  await client.pushBlobs(name, ...images.flatMap(({ blobs }) => blobs));
  const answers = await Promise.all(
    images.map(({ bytes }) => client.putManifest(name, "v1", bytes, types.manifest)),
  );
  const winners = images.filter((_, place) => answers[place]?.status === 201);
  assert.equal(winners.length, 1);
  assert.ok(answers.every(({ status }) => status === 201 || status === 403));
  assert.ok((await client.get(`/v2/${name}/manifests/v1`)).body.equals(winners[0]?.bytes ?? Buffer.alloc(0)));
});

/** Backdates the push of a tag by this many days. */
async function ageTag(name: string, tag: string, days: number): Promise<void> {
  const then = new Date(Date.now() - days * 86_400_000);
  await utimes(`${server.place}/manifests/${name}/tags/${tag}/manifest.sha256`, then, then);
}

test("retention removes tags that no rule keeps; a dry run lists them and keeps them", async () => {
  const name = newName("ci-retention");
  for (const [tag, days] of Object.entries({ "pr-1": 30, "pr-2": 20, "pr-3": 10, main: 40 })) {
    await client.pushImage(name, image(), tag);
    await ageTag(name, tag, days);
  }
  assert.equal((await client.get(`/v2/${name}/manifests/pr-1`)).status, 200, "it is pulled");
  const plan = await applyRetention(server.services, { dryRun: true });
  assert.deepEqual(plan.repositories, [
    {
      name,
      tags: [{ tag: "pr-2", rule: "ci-* : pr-*", why: "not among the last 1, never pulled" }],
    },
  ]);
  assert.equal((await client.head(`/v2/${name}/manifests/pr-2`)).status, 200);
  const { services } = server;
  // The HEAD was a pull, too.
  assert.equal((await applyRetention(services, { dryRun: false })).tags, 0);
});

test("a pull of a tag is recorded from memory and from the disk, and a request for a missing one is not", async () => {
  const name = newName("ci-pulls");
  await client.pushImage(name, image(), "pr-1");
  const { pulls } = server.services;
  const [there, missing] = ["pr-1", "pr-2"].map(parseTag) as [Tag, Tag];
  await client.get(`/v2/${name}/manifests/${missing}`);
  assert.equal(pulls.lastOf(parseRepositoryName(name), missing), undefined);
  for (const forget of [true, false]) {
    if (forget) server.services.caches.tags.clear();
    const before = pulls.lastOf(parseRepositoryName(name), there);
    await client.get(`/v2/${name}/manifests/${there}`);
    const after = pulls.lastOf(parseRepositoryName(name), there);
    assert.ok(after !== undefined && (before === undefined || before === after));
  }
});

test("the server applies the rules periodically, and remembers pulls across a restart", async () => {
  const name = newName("ci-restart");
  const root = join(folder, "store");
  const settings = { REGISTRY_TAGS_POLICY: policy, REGISTRY_GC_INTERVAL: "0s" };
  {
    await using gantry = await startInside(settings, root);
    const one = new Client(gantry.url);
    for (const tag of ["pr-1", "pr-2", "pr-3"]) {
      await one.pushImage(name, image(), tag);
    }
    await one.get(`/v2/${name}/manifests/pr-1`);
  }
  for (const [tag, days] of [
    ["pr-1", 30],
    ["pr-2", 20],
  ] as const) {
    const then = new Date(Date.now() - days * 86_400_000);
    await utimes(`${root}/manifests/${name}/tags/${tag}/manifest.sha256`, then, then);
  }
  await using gantry = await startInside({ ...settings, REGISTRY_GC_INTERVAL: "1s" }, root);
  const one = new Client(gantry.url);
  const tags = async () => ((await one.get(`/v2/${name}/tags/list`)).json() as { tags: string[] }).tags;
  await eventually("pr-2 has gone", async () => ((await tags()).length < 3 ? true : undefined), 20_000);
  assert.deepEqual(await tags(), ["pr-1", "pr-3"]);
});

test("a server does not start with an invalid policy, and names the place", async () => {
  const bad = join(folder, "bad.json");
  await writeFile(bad, JSON.stringify({ retention: [{ keepLast: -1 }] }));
  await assert.rejects(startInside({ REGISTRY_TAGS_POLICY: bad }), /bad\.json:1: retention\.0\.keepLast/);
});
