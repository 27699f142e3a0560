// What pages show follows what clients do with a server on a disk: pushes, moved tags, deletions and collections.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ownGate } from "../../src/auth/own-gate.js";
import { openPolicy } from "../../src/auth/policy.js";
import { Browse } from "../../src/browse/browse.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { collectGarbage } from "../../src/registry/collect-garbage.js";
import { alice, catalogOf, patience } from "../support/browsing.js";
import { Client } from "../support/client.js";
import { image, index, newName } from "../support/content.js";
import { serveInside } from "../support/server.js";
import { eventually } from "../support/store.js";

const settings = {
  REGISTRY_GC_INTERVAL: "0s",
  REGISTRY_GC_LEASE: "0s",
  REGISTRY_STORAGE_DELETE_ENABLED: "true",
};
const server = await serveInside(settings);
const client = new Client(server.url);
const browse = new Browse(server.services, { untaggedSeconds: 0 });
after(() => browse.close());
const everything = catalogOf(openPolicy);

async function namesIn(namespace: string): Promise<string[]> {
  const query = { namespace, n: 100, last: "" };
  const { entries } = await eventually("all names", async () => {
    const page = await browse.repositories.namespace(everything, query, patience());
    return page.complete ? page : undefined;
  });
  return entries.map((entry) => (entry.kind === "repository" ? entry.name : `${entry.path}/`));
}

async function tagsOf(name: string) {
  const query = { order: "newest", filter: "", page: 1, n: 100 } as const;
  const permit = ownGate.pull(alice, parseRepositoryName(name));
  return eventually("all tags", async () => {
    const page = await browse.tags.page(permit, query, patience());
    return page.complete ? page.tags : undefined;
  });
}

test("a repository appears with its first manifest, tagged or not, and goes with the last", async () => {
  const namespace = newName("space");
  assert.deepEqual(await namesIn(namespace), []);
  const [tagged, untagged, deep] = ["tagged", "untagged", "deep/er"].map((name) => `${namespace}/${name}`);
  await client.pushImage(tagged ?? "", image(), "latest");
  const by = image();
  await client.pushImage(untagged ?? "", by);
  await client.pushImage(deep ?? "", image(), "latest");
  assert.deepEqual(await namesIn(namespace), [`${namespace}/deep/`, tagged, untagged]);
  assert.equal((await client.delete(`/v2/${untagged}/manifests/${by.digest}`)).status, 202);
  await collectGarbage(server.services, { dryRun: false, untaggedSeconds: undefined });
  const left = await eventually("the removal", async () => {
    const names = await namesIn(namespace);
    return names.length === 2 ? names : undefined;
  });
  assert.deepEqual(left, [`${namespace}/deep/`, tagged]);
  const found = await browse.repositories.search(everything, { text: namespace, n: 10 }, patience());
  assert.deepEqual(found.names, [deep, tagged]);
});

test("tags have their targets and times, and follow each push and deletion", async () => {
  const name = newName();
  const [one, two] = [image(), image()];
  const begin = Date.now() - 2_000;
  await client.pushImage(name, one, "a");
  await client.pushImage(name, one, "b");
  assert.deepEqual(
    (await tagsOf(name)).map(({ tag, digest }) => [tag, digest]),
    [
      ["b", one.digest],
      ["a", one.digest],
    ],
  );
  await client.pushImage(name, two, "a");
  await client.delete(`/v2/${name}/manifests/b`);
  await client.pushImage(name, two, "c");
  await client.get(`/v2/${name}/manifests/c`);
  const [c, a, ...others] = await tagsOf(name);
  assert.deepEqual([c?.tag, a?.tag, others], ["c", "a", []]);
  assert.deepEqual([c?.digest, a?.digest], [two.digest, two.digest]);
  assert.ok(Number(a?.pushedAt) > begin && Number(a?.pushedAt) <= Date.now() + 2_000);
  assert.equal(a?.pulledAt, "never");
  assert.ok(typeof c?.pulledAt === "number");
});

test("summaries and images have the sizes of what is stored", async () => {
  const name = newName();
  const [one, two] = [image({ layers: 2 }), image()];
  const both = index([one, two]);
  for (const each of [one, two]) await client.pushImage(name, each);
  await client.pushImage(name, both, "latest");
  const parsed = parseRepositoryName(name);
  const summary = await eventually("the summary", async () => {
    const { summaries, complete } = await browse.summaries.get(everything, [parsed], patience());
    return complete ? summaries.get(parsed) : undefined;
  });
  const bytes = [one, two, both].flatMap(({ bytes, blobs }) => [bytes, ...blobs.map((blob) => blob.bytes)]);
  assert.equal(summary?.tags, 1);
  assert.equal(
    summary?.bytes,
    bytes.reduce((sum, { length }) => sum + length, 0),
  );
  const permit = ownGate.pull(alice, parsed);
  const digest = parseDigest(both.digest);
  const facts = (await browse.images.get(permit, [digest], patience())).facts.get(digest);
  const pulled = [one, two].flatMap(({ bytes, blobs }) => [bytes, ...blobs.map((blob) => blob.bytes)]);
  assert.deepEqual(
    [facts?.content, facts?.bytes, facts?.missingChildren],
    ["index", pulled.reduce((sum, { length }) => sum + length, 0), 0],
  );
  assert.deepEqual(facts?.platforms, []);
});

test("looking at a repository keeps nothing from collection and counts as no pull", async () => {
  const name = newName();
  const of = image();
  await client.pushImage(name, of, "latest");
  const parsed = parseRepositoryName(name);
  const permit = ownGate.pull(alice, parsed);
  await tagsOf(name);
  await browse.images.get(permit, [parseDigest(of.digest)], patience());
  assert.equal((await tagsOf(name))[0]?.pulledAt, "never");
  await client.delete(`/v2/${name}/manifests/latest`);
  const report = await collectGarbage(server.services, { dryRun: false, untaggedSeconds: 0 });
  const removed = report.repositories.find((one) => one.name === name);
  assert.deepEqual([removed?.manifests.length, removed?.blobs.length], [1, of.blobs.length]);
  const digest = parseDigest(of.digest);
  assert.equal((await browse.images.get(permit, [digest], patience())).facts.get(digest), undefined);
});
