// Garbage collection through the server's own services, with clients on a real port: what is removed, what is kept, and that
// no client finds an object missing that it was told of.

import assert from "node:assert/strict";
import { link, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { parseDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import type { GarbageReport } from "../../src/gc/report.js";
import { collectGarbage } from "../../src/registry/collect-garbage.js";
import { assertError, Client } from "../support/client.js";
import {
  type Blob,
  blobOf,
  descriptorOf,
  image,
  index,
  manifestOf,
  newName,
  types,
} from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { serveInside } from "../support/server.js";
import { eventually, storedBelow } from "../support/store.js";

/** Leases that expire at once, to show the effect of the rules alone. */
const bare = await serveInside({ REGISTRY_GC_INTERVAL: "0s", REGISTRY_GC_LEASE: "0s" });
const client = new Client(bare.url);
const leasing = await serveInside({ REGISTRY_GC_INTERVAL: "0s", REGISTRY_GC_LEASE: "1h" });
const leaser = new Client(leasing.url);

function collect(server: typeof bare, untaggedSeconds?: number, dryRun = false): Promise<GarbageReport> {
  return collectGarbage(server.services, { dryRun, untaggedSeconds });
}

function collectedOf(report: GarbageReport, name: string) {
  const {
    manifests = [],
    blobs = [],
    leased = 0,
  } = report.repositories.find((one) => one.name === name) ?? {};
  return { manifests: [...manifests].sort(), blobs: [...blobs].sort(), leased };
}

async function isThere(one: Client, name: string, { digest }: Blob): Promise<boolean> {
  return (await one.head(`/v2/${name}/blobs/${digest}`)).status === 200;
}

test("unreferenced blobs are removed, also from a repository without manifests; the others stay", async () => {
  const [name, bare1] = [newName(), newName()];
  const made = image();
  const [unnamed, alone] = [blobOf(100), blobOf(5000)];
  await client.pushImage(name, made, "latest");
  await client.pushBlobs(name, unnamed);
  await client.pushBlobs(bare1, alone);
  assert.ok(await isThere(client, name, unnamed), "cached content is removed, too");
  const plan = await collect(bare, undefined, true);
  assert.deepEqual(collectedOf(plan, name).blobs, [unnamed.digest]);
  assert.equal(plan.bytesFreed, 5100);
  assert.ok(await isThere(client, name, unnamed), "a dry run removes nothing");
  const report = await collect(bare);
  assert.deepEqual(collectedOf(report, name), { manifests: [], blobs: [unnamed.digest], leased: 0 });
  assert.deepEqual(collectedOf(report, bare1).blobs, [alone.digest]);
  assert.equal(report.bytesFreed, 5100);
  assert.ok(!(await isThere(client, name, unnamed)) && !(await isThere(client, bare1, alone)));
  for (const blob of made.blobs) assert.ok(await isThere(client, name, blob));
  assert.deepEqual((await collect(bare)).repositories, []);
});

test("removing a blob does not free content that another repository has", async () => {
  const [one, two] = [newName(), newName()];
  const made = image();
  await client.pushImage(one, made, "latest");
  await client.pushBlobs(two, ...made.blobs);
  const report = await collect(bare);
  assert.equal(report.blobs, made.blobs.length);
  assert.equal(report.bytesFreed, 0);
  for (const blob of made.blobs) {
    assert.ok((await client.get(`/v2/${one}/blobs/${blob.digest}`)).body.equals(blob.bytes));
  }
});

test("non-distributable layers and an index's other content stay", async () => {
  const name = newName();
  const [config, foreign, cache] = [blobOf("{}"), blobOf(60), blobOf(70)];
  await client.pushBlobs(name, config, foreign, cache);
  const layers = [descriptorOf(foreign, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")];
  const manifest = manifestOf({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptorOf(config, types.config),
    layers,
  });
  assert.equal((await client.putManifest(name, "foreign", manifest.bytes, types.manifest)).status, 201);
  // As exported by BuildKit for its cache.
  const manifests = [
    descriptorOf(cache, "application/vnd.oci.image.layer.v1.tar+gzip"),
    descriptorOf(config, "application/vnd.buildkit.cacheconfig.v0"),
  ];
  const cached = manifestOf({ schemaVersion: 2, mediaType: types.index, manifests });
  assert.equal((await client.putManifest(name, "cache", cached.bytes, types.index)).status, 201);
  assert.deepEqual(collectedOf(await collect(bare, 0), name), { manifests: [], blobs: [], leased: 0 });
});

test("without a policy no manifest is removed; with one, those without tag, index and subject are", async () => {
  const name = newName();
  const [tagged, lost, child, attached, alsoLost] = [image(), image(), image(), image(), image()];
  await client.pushImage(name, tagged, "latest");
  await client.pushImage(name, child);
  const parent = index([child]);
  await client.putManifest(name, "index", parent.bytes, types.index);
  for (const made of [lost, attached, alsoLost]) await client.pushImage(name, made);
  const subject = { mediaType: types.manifest, digest: tagged.digest, size: tagged.bytes.length };
  const signature = manifestOf({ ...JSON.parse(attached.bytes.toString()), subject });
  await client.putManifest(name, signature.digest, signature.bytes, types.manifest);
  assert.deepEqual(collectedOf(await collect(bare), name).manifests, []);
  const young = await collect(bare, 3600);
  assert.deepEqual(collectedOf(young, name).manifests, [], "they are too new");
  assert.equal(young.spared, 3, "the report counts what would be removed later");
  const report = collectedOf(await collect(bare, 0), name);
  assert.deepEqual(report.manifests, [lost.digest, alsoLost.digest, attached.digest].sort());
  for (const kept of [tagged, child, parent, signature]) {
    assert.equal((await client.get(`/v2/${name}/manifests/${kept.digest}`)).status, 200);
  }
  assertError(await client.get(`/v2/${name}/manifests/${lost.digest}`), 404, "MANIFEST_UNKNOWN");
  for (const blob of attached.blobs)
    assert.ok(await isThere(client, name, blob), "the signature names them, too");
  for (const blob of lost.blobs) assert.ok(!(await isThere(client, name, blob)));
});

test("an attached image is removed with its subject; one attached by the tag schema stays with its tag", async () => {
  const name = newName();
  const subject = image();
  await client.pushImage(name, subject, "latest");
  const attached = image({
    subject: { mediaType: types.manifest, digest: subject.digest, size: subject.bytes.length },
  });
  await client.pushImage(name, attached);
  await client.delete(`/v2/${name}/manifests/latest`);
  await client.pushImage(name, image(), subject.digest.replace(":", "-"));
  assert.deepEqual(collectedOf(await collect(bare, 0), name).manifests, []);
  await client.delete(`/v2/${name}/manifests/${subject.digest.replace(":", "-")}`);
  const { manifests } = collectedOf(await collect(bare, 0), name);
  assert.ok(
    manifests.includes(parseDigest(subject.digest)) && manifests.includes(parseDigest(attached.digest)),
  );
  const list = await client.get(`/v2/${name}/referrers/${subject.digest}`);
  assert.deepEqual((list.json() as { manifests: unknown[] }).manifests, []);
  assert.deepEqual(
    await storedBelow(`${bare.place}/manifests/${name}`),
    [],
    "the repository is empty, and removed",
  );
});

for (const [what, tell] of [
  ["a 201", async () => {}],
  ["a HEAD", (name: string, { digest }: Blob) => leaser.head(`/v2/${name}/blobs/${digest}`)],
  ["a GET", (name: string, { digest }: Blob) => leaser.get(`/v2/${name}/blobs/${digest}`)],
] as const) {
  test(`a client that was told of a blob by ${what} finds it when its manifest arrives`, async () => {
    const name = newName();
    const made = image();
    await leaser.pushBlobs(name, ...made.blobs);
    for (const blob of made.blobs) await tell(name, blob);
    const report = await collect(leasing, 0);
    assert.deepEqual(collectedOf(report, name).blobs, []);
    assert.equal((await leaser.pushImage(name, made, "latest")).status, 201);
  });
}

test("a client that mounted a blob finds it, and one that was told that it is missing has no lease", async () => {
  const [from, to] = [newName(), newName()];
  const made = image();
  const [blob] = made.blobs;
  assert.ok(blob !== undefined);
  await leaser.pushBlobs(from, blob);
  const { leases } = leasing.services.cluster;
  const leased = async (name: string) =>
    (await leases.leased(parseRepositoryName(name), [parseDigest(blob.digest)])).size > 0;
  assert.equal((await leaser.head(`/v2/${to}/blobs/${blob.digest}`)).status, 404);
  assert.equal((await leaser.get(`/v2/${to}/manifests/${blob.digest}`)).status, 404);
  assert.ok(!(await leased(to)));
  const mounted = await leaser.request("POST", `/v2/${to}/blobs/uploads/?mount=${blob.digest}&from=${from}`);
  assert.equal(mounted.status, 201);
  assert.ok(await leased(to));
  await collect(leasing, 0);
  assert.ok(await isThere(leaser, to, blob));
});

test("contents without a repository and dangling entries of referrers are removed", async () => {
  const name = newName();
  const subject = image();
  const attached = image({
    subject: { mediaType: types.manifest, digest: subject.digest, size: subject.bytes.length },
  });
  await client.pushImage(name, subject, "latest");
  await client.pushImage(name, attached);
  const orphan = blobOf(321);
  const hex = orphan.digest.slice("sha256:".length);
  await client.pushBlobs(name, blobOf(1));
  const root = bare.place;
  const folder = `${root}/content/sha256/${hex.slice(0, 2)}`;
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/${hex}`, orphan.bytes);
  const entry = `${root}/manifests/${name}/_referrers/${subject.digest}/${attached.digest}`;
  await link(entry, `${root}/kept`);
  await client.delete(`/v2/${name}/manifests/${attached.digest}`);
  await mkdir(dirname(entry));
  await link(`${root}/kept`, entry);
  const report = await collect(bare);
  assert.deepEqual([report.orphans, report.bytesFreed >= 321], [1, true]);
  assert.ok(!(await storedBelow(root)).some((path) => path.includes(hex)));
  assert.deepEqual(await storedBelow(`${root}/manifests/${name}/_referrers`), []);
});

test("a repository with an unreadable manifest is left unchanged, and named", async () => {
  const name = newName();
  const unnamed = blobOf(10);
  await client.pushImage(name, image(), "latest");
  await client.pushBlobs(name, unnamed);
  await writeFile(`${bare.place}/manifests/${name}/${blobOf(3).digest}`, "{");
  const report = await collect(bare, 0);
  assert.match(report.repositories.find((one) => one.name === name)?.skipped ?? "", /cannot be read/);
  assert.ok(await isThere(client, name, unnamed));
});

/** A folder that outlives its servers, until the tests end. */
async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-garbage-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function isStored(root: string, { digest }: Blob): Promise<boolean> {
  return (await storedBelow(`${root}/blobs`)).some((path) => path.endsWith(digest));
}

async function collected(root: string, blob: Blob): Promise<void> {
  const look = async () => ((await isStored(root, blob)) ? undefined : true);
  await eventually("it is collected", look, 20_000);
}

test("the server collects periodically, and leases survive a restart", async () => {
  const root = await newFolder();
  const settings = { REGISTRY_GC_INTERVAL: "1s", REGISTRY_GC_LEASE: "3s" };
  const name = newName();
  const [early, late] = [blobOf(10), blobOf(11)];
  {
    await using gantry = await startInside(settings, root);
    const one = new Client(gantry.url);
    await one.pushBlobs(name, early);
    await collected(root, early);
    await one.pushBlobs(name, late);
  }
  assert.deepEqual((await readdir(`${root}/notes`)).sort(), ["activity-of-nodes", "contents", "leases"]);
  await using gantry = await startInside(settings, root);
  const trusted = (await readdir(`${root}/notes`)).filter((note) => note !== "activity-of-nodes");
  assert.deepEqual(trusted, [], "remains of a crash are not trusted");
  assert.ok(await isStored(root, late), "its lease continues");
  await collected(root, late);
  assert.equal((await new Client(gantry.url).head(`/v2/${name}/blobs/${late.digest}`)).status, 404);
});

test("after a crash everything is protected for the time of a lease", async () => {
  const root = await newFolder();
  const blob = blobOf(12);
  const settings = { REGISTRY_GC_LEASE: "4s" };
  const crashing = await startGantry({ ...settings, REGISTRY_GC_INTERVAL: "0s" }, root);
  await new Client(crashing.url).pushBlobs(newName(), blob);
  await pause(4_100);
  await crashing.kill();
  await using _ = await startInside({ ...settings, REGISTRY_GC_INTERVAL: "1s" }, root);
  await pause(2_000);
  assert.ok(await isStored(root, blob), "clients may have been told of it");
  await collected(root, blob);
});
