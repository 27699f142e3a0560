// Graphs of manifests: whole and current on every node, read once, and within their bounds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownGate } from "../../src/auth/own-gate.js";
import { ContentReader } from "../../src/browse/content/content-reader.js";
import { ManifestGraphs, type ManifestGraphsOptions } from "../../src/browse/graph/manifest-graphs.js";
import { Relations } from "../../src/browse/graph/relations.js";
import { Caches } from "../../src/cache/caches.js";
import { followChanges } from "../../src/cache/follow-changes.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { noTagPolicy, type TagPolicy } from "../../src/gc/retention.js";
import { Deadline } from "../../src/lib/deadline.js";
import { Slices } from "../../src/lib/slices.js";
import { ManifestReader } from "../../src/registry/manifest-reader/manifest-reader.js";
import type { Services } from "../../src/registry/services.js";
import { MemoryData } from "../../src/storage/memory/memory-data.js";
import { alice, patience, store } from "../support/browsing.js";
import { describe, image, index } from "../support/content.js";
import { memoryStorage } from "../support/memory-storage.js";
import { eventually } from "../support/store.js";

const name = parseRepositoryName("team/app");
const permit = ownGate.pull(alice, name);
const bounds = { depthMax: 10, keysMax: 1e6, descriptorsMax: 1e5, annotationBytesMax: 1e5 };

const history = { entriesMax: 10, keptMilliseconds: 1e9 };

interface WorldOptions {
  readonly bounds?: ManifestGraphsOptions["bounds"];
  readonly beforeList?: Promise<void>;
}

function worldOf({ bounds: graphBounds = {}, beforeList }: WorldOptions = {}) {
  const data = new MemoryData();
  const reads: string[] = [];
  const storage = memoryStorage(data);
  const { manifests } = storage;
  const [read, list] = [manifests.read.bind(manifests), manifests.list.bind(manifests)];
  manifests.read = (of, digest) => {
    reads.push(digest);
    return read(of, digest);
  };
  manifests.list = async (of) => {
    await beforeList;
    return list(of);
  };
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const { changes } = cluster.node();
  const caches = new Caches(storage, changes);
  followChanges(caches, changes);
  const errors: unknown[] = [];
  const policies = { current: noTagPolicy };
  const services = {
    storage,
    caches,
    manifestReader: new ManifestReader(bounds, assert.ifError),
    rules: {
      get tagPolicy() {
        return policies.current;
      },
      history,
    } as Services["rules"],
    isMirrored: () => false,
  };
  const graphs = new ManifestGraphs(services, changes, {
    slices: new Slices(),
    onError: (error) => void errors.push(error),
    bounds: graphBounds,
  });
  const reader = new ContentReader({
    ...services,
    onStray: (what) => void errors.push(what),
    onBackgroundError: (error) => void errors.push(error),
  });
  const relations = new Relations(services, graphs, reader, { untaggedSeconds: 0 });
  const rule = (tagPolicy: TagPolicy) => {
    policies.current = tagPolicy;
  };
  /** Asks until nothing is missing. */
  const untagged = () =>
    eventually("the whole page", async () => {
      const found = await relations.untagged(permit, { page: 1, n: 100 }, patience());
      return found.complete ? found : undefined;
    });
  const elsewhere = cluster.node().changes;
  return { storage, changes, elsewhere, graphs, relations, rule, untagged, reads, errors };
}

test("a manifest is read once, whatever changes", async () => {
  const world = worldOf();
  const [one, two, three] = [image(), image(), image()];
  await store(world.storage, name, { of: one, tag: "v1" });
  await store(world.storage, name, { of: two });
  await world.untagged();
  await store(world.storage, name, { of: three, tag: "v1" });
  await world.elsewhere.publish({ kind: "tag-pointed", name, tag: parseTag("v1") });
  const { value } = await world.untagged();
  assert.deepEqual(value?.manifests.map(({ digest }) => digest).sort(), [one.digest, two.digest].sort());
  await world.elsewhere.publish({ kind: "pushed-untagged", name });
  await world.untagged();
  assert.deepEqual(world.reads.sort(), [one, two, three].map(({ digest }) => digest).sort());
  assert.deepEqual(world.errors, []);
});

test("what a tag pointed to before is kept by the rules of now, which cost no read of a manifest", async () => {
  const world = worldOf();
  const [before, now] = [image(), image()];
  for (const of of [before, now]) {
    const digest = parseDigest(of.digest);
    await world.storage.manifests.write(name, digest, of.bytes);
    const push = { note: { by: "alice", bounds: history } };
    await world.storage.tags.point(name, parseTag("latest"), digest, { movable: true }, push);
  }
  const keeper = async () => (await world.untagged()).value?.manifests[0]?.keeper;
  assert.deepEqual(await keeper(), { kind: "nothing" });
  const reads = [...world.reads];
  const matches = () => true;
  world.rule({ immutable: [], retention: [{ pattern: { matches }, title: "all", keepPrevious: 1 }] });
  assert.deepEqual(await keeper(), { kind: "earlier", tag: "latest" });
  world.rule(noTagPolicy);
  assert.deepEqual(await keeper(), { kind: "nothing" });
  assert.deepEqual(world.reads, reads);
});

test("removed manifests go, also if the message was lost", async () => {
  const world = worldOf();
  const [one, two, three] = [image(), image(), image()];
  for (const of of [one, two, three]) await store(world.storage, name, { of });
  assert.equal((await world.untagged()).value?.total, 3);
  const digest = parseDigest(one.digest);
  await world.storage.manifests.remove(name, digest);
  await world.elsewhere.publish({ kind: "manifest-deleted", name, digest });
  assert.equal((await world.untagged()).value?.total, 2);
  await world.storage.manifests.remove(name, parseDigest(two.digest));
  await world.elsewhere.publish({ kind: "pushed-untagged", name });
  assert.equal((await world.untagged()).value?.total, 1);
});

test("a removal that failed leaves the manifest in the graph", async () => {
  const world = worldOf();
  const part = image();
  await store(world.storage, name, { of: part });
  await store(world.storage, name, { of: index([part]), tag: "v1" });
  await world.untagged();
  await world.elsewhere.publish({ kind: "condemned", name, digest: parseDigest(part.digest) });
  const { value } = await world.untagged();
  assert.deepEqual(
    value?.manifests.map(({ digest, keeper }) => [digest, keeper.kind]),
    [[part.digest, "index"]],
  );
});

test("beyond the bound, the last pushed manifests are known, and the rest is counted", async () => {
  const world = worldOf({ bounds: { manifestsMax: 10 } });
  for (let number = 0; number < 15; number++) await store(world.storage, name, { of: image() });
  const found = await world.untagged();
  assert.deepEqual(found.extent, { known: 10, omitted: 5 });
  // Something that was left out may keep them.
  assert.ok(found.value?.manifests.every(({ keeper }) => keeper.kind === "unknown"));
});

test("too many tags are said to be too many", async () => {
  const world = worldOf({ bounds: { tagsMax: 3 } });
  for (let number = 0; number < 5; number++)
    await store(world.storage, name, { of: image(), tag: `v${number}` });
  const found = await world.untagged();
  assert.deepEqual([found.value, found.tooManyTags], [undefined, true]);
});

test("graphs of other repositories make room", async () => {
  const world = worldOf({ bounds: { objectsMax: 300 } });
  const names = [1, 2, 3, 4].map((number) => parseRepositoryName(`team/app${number}`));
  for (const other of names)
    for (let number = 0; number < 260; number++) await store(world.storage, other, { of: image() });
  for (const other of [...names, names[0] ?? name]) {
    const found = await eventually("the whole page", async () => {
      const page = await world.relations.untagged(ownGate.pull(alice, other), { page: 1, n: 1 }, patience());
      return page.complete ? page : undefined;
    });
    assert.equal(found.value?.total, 260);
  }
  assert.equal(world.reads.length, 5 * 260);
  assert.deepEqual(world.errors, []);
});

test("what is not known by the deadline is pending", async () => {
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const world = worldOf({ beforeList: gate });
  await store(world.storage, name, { of: image() });
  const found = await world.relations.untagged(permit, { page: 1, n: 10 }, new Deadline(20));
  assert.deepEqual([found.value, found.complete, found.tooManyTags], [undefined, false, false]);
  go();
  assert.equal((await world.untagged()).value?.total, 1);
});

test("tags and indexes of a manifest are listed, and the list is bounded", async () => {
  const world = worldOf();
  const part = image();
  await store(world.storage, name, { of: part });
  for (let number = 0; number < 25; number++) {
    await store(world.storage, name, { of: index([part]), tag: `v${number}` });
    await store(world.storage, name, { of: part, tag: `also${number}` });
  }
  const subject = { digest: parseDigest(part.digest), shown: parseTag("also3") };
  const { value } = await eventually("the relations", async () => {
    const found = await world.relations.of(permit, subject, patience());
    return found.complete ? found : undefined;
  });
  assert.deepEqual([value?.tags.total, value?.tags.items.length], [24, 10]);
  assert.deepEqual([value?.indexes.total, value?.indexes.items.length], [25, 10]);
  assert.ok(
    value?.indexes.items.every(({ tags, entry }) => tags.total === 1 && entry?.digest === part.digest),
  );
});

test("signatures and SBOMs are found among referrers and cosign's tags", async () => {
  const world = worldOf();
  const [plain, tagged, referred, bundled] = [image(), image(), image(), image()];
  for (const of of [plain, tagged, referred, bundled]) await store(world.storage, name, { of });
  const tagOf = (digest: string, ending: string) => `${digest.replace(":", "-")}.${ending}`;
  await store(world.storage, name, { of: image(), tag: tagOf(tagged.digest, "sig") });
  await store(world.storage, name, { of: image(), tag: tagOf(tagged.digest, "sbom") });
  const notation = { artifactType: "application/vnd.cncf.notary.signature", subject: describe(referred) };
  await store(world.storage, name, { of: image(notation) });
  const bundle = {
    artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    annotations: {
      "dev.sigstore.bundle.content": "dsse-envelope",
      "dev.sigstore.bundle.predicateType": "https://spdx.dev/Document",
    },
    subject: describe(bundled),
  };
  await store(world.storage, name, { of: image(bundle) });
  const digests = [plain, tagged, referred, bundled].map(({ digest }) => parseDigest(digest));
  const { value } = await eventually("the marks", async () => {
    const found = await world.relations.marks(permit, digests, patience());
    return found.complete ? found : undefined;
  });
  assert.deepEqual(
    digests.map((digest) => value?.marks.get(digest)),
    [
      { signed: false, sbom: false },
      { signed: true, sbom: true },
      { signed: true, sbom: false },
      { signed: false, sbom: false },
    ],
  );
  assert.equal(value?.attachmentTags, 2);
});
