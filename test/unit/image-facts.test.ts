// Facts of the images of a page: whole and current, without an effect on pulls, leases or upstreams.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownGate } from "../../src/auth/own-gate.js";
import { ImageFactsIndex } from "../../src/browse/image-facts.js";
import { Caches } from "../../src/cache/caches.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { type Digest, parseDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Deadline } from "../../src/lib/deadline.js";
import { ManifestReader } from "../../src/registry/manifest-reader/manifest-reader.js";
import { MemoryData } from "../../src/storage/memory/memory-data.js";
import type { Storage } from "../../src/storage/storage.js";
import { alice, patience, store } from "../support/browsing.js";
import { blobOf, describe, type Image, image, imageOf, index } from "../support/content.js";
import { memoryStorage } from "../support/memory-storage.js";

const name = parseRepositoryName("team/app");
const permit = ownGate.pull(alice, name);
const bounds = { depthMax: 10, keysMax: 1e6, descriptorsMax: 1e5, annotationBytesMax: 1e5 };

function worldOf(storageOf = (storage: Storage) => storage) {
  const data = new MemoryData();
  const storage = storageOf(memoryStorage(data));
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const { changes } = cluster.node();
  const caches = new Caches(storage, changes);
  const manifestReader = new ManifestReader(bounds, assert.ifError);
  const errors: unknown[] = [];
  const services = { storage, caches, manifestReader };
  const facts = new ImageFactsIndex(services, changes, (error) => void errors.push(error));
  const push = async (of: Image) => {
    for (const { bytes, digest } of of.blobs) {
      data.contents.set(parseDigest(digest), bytes);
      data.made(name).blobs.add(parseDigest(digest));
    }
    await store(storage, name, { of });
  };
  const get = async (of: Image, deadline = patience()) => {
    const digest = parseDigest(of.digest);
    const found = await facts.get(permit, [digest], deadline);
    return { ...found, of: found.facts.get(digest), has: found.facts.has(digest) };
  };
  return { storage, cluster, caches, manifestReader, facts, push, get, errors };
}

const platformOf = (architecture: string) => ({ os: "linux", architecture });

function imageFor(architecture: string, layer: number): Image {
  const config = blobOf(JSON.stringify({ ...platformOf(architecture) }));
  return imageOf(config, [blobOf(layer)]);
}

/** The config comes first. */
function configBytes({ blobs }: Image): number {
  return blobs[0]?.bytes.length ?? 0;
}

/** Bytes of an image of an index, without its layers. */
function ownBytes(of: Image): number {
  return of.bytes.length + configBytes(of);
}

function indexOf(...images: readonly [Image, string][]): Image {
  const manifests = images.map(([of, architecture]) => ({
    ...describe(of),
    platform: platformOf(architecture),
  }));
  return index([], { manifests });
}

test("an image has the platform of its config", async () => {
  const world = worldOf();
  const of = imageFor("arm64", 100);
  await world.push(of);
  const found = await world.get(of);
  assert.ok(found.complete);
  assert.deepEqual(found.of, {
    content: "image",
    platforms: [platformOf("arm64")],
    bytes: 100 + configBytes(of),
    missingChildren: 0,
    isPartial: false,
  });
});

test("an index has the platforms of all entries, the sizes of those that are here, and tells what is missing", async () => {
  const world = worldOf();
  const [one, two, away] = [imageFor("amd64", 100), imageFor("arm64", 200), imageFor("s390x", 400)];
  const of = indexOf([one, "amd64"], [two, "arm64"], [away, "s390x"]);
  for (const each of [one, two, of]) await world.push(each);
  const { of: found } = await world.get(of);
  assert.deepEqual(found?.platforms, ["amd64", "arm64", "s390x"].map(platformOf));
  assert.deepEqual([found?.bytes, found?.missingChildren], [300 + ownBytes(one) + ownBytes(two), 1]);
  assert.equal(found?.isPartial, false);
  // It comes later, as an entry of an index of an upstream does.
  await world.push(away);
  assert.equal((await world.get(of)).of?.missingChildren, 1);
  await world.cluster.node().changes.publish({ kind: "pushed-untagged", name });
  const { of: whole } = await world.get(of);
  assert.deepEqual(
    [whole?.bytes, whole?.missingChildren],
    [700 + [one, two, away].reduce((sum, each) => sum + ownBytes(each), 0), 0],
  );
});

test("what several images of an index share counts once, and attestations do not count", async () => {
  const world = worldOf();
  const shared = blobOf(1000);
  const imageWith = (architecture: string) =>
    imageOf(blobOf(JSON.stringify(platformOf(architecture))), [shared, blobOf(10)]);
  const [one, two, attestation] = [imageWith("amd64"), imageWith("arm64"), imageFor("unknown", 500)];
  const of = index([], {
    manifests: [
      { ...describe(one), platform: platformOf("amd64") },
      { ...describe(two), platform: platformOf("arm64") },
      { ...describe(attestation), annotations: { "vnd.docker.reference.type": "attestation-manifest" } },
    ],
  });
  for (const each of [one, two, attestation, of]) await world.push(each);
  assert.equal((await world.get(of)).of?.bytes, 1000 + 2 * 10 + ownBytes(one) + ownBytes(two));
});

test("a manifest that is missing, damaged or removed has no facts", async () => {
  const world = worldOf();
  const [of, away, damaged] = [image(), image(), image()];
  await world.push(of);
  await world.storage.manifests.write(name, parseDigest(damaged.digest), Buffer.from("damage"));
  for (const one of [away, damaged]) {
    const found = await world.get(one);
    assert.deepEqual([found.has, found.of, found.complete], [true, undefined, true]);
  }
  assert.notEqual((await world.get(of)).of, undefined);
  const digest = parseDigest(of.digest);
  await world.storage.manifests.remove(name, digest);
  await world.cluster.node().changes.publish({ kind: "manifest-deleted", name, digest });
  assert.equal((await world.get(of)).of, undefined);
});

test("facts of another repository are not shown", async () => {
  const world = worldOf();
  const of = image();
  await world.push(of);
  await world.get(of);
  const digest = parseDigest(of.digest);
  const elsewhere = ownGate.pull(alice, parseRepositoryName("other"));
  assert.equal((await world.facts.get(elsewhere, [digest], patience())).facts.get(digest), undefined);
});

test("a large manifest is read in its thread", async () => {
  const world = worldOf();
  const of = image({ annotations: { text: "x".repeat(100_000) } });
  await world.push(of);
  try {
    assert.equal((await world.get(of)).of?.content, "image");
  } finally {
    await world.manifestReader.close();
  }
});

test("what is not read by the deadline comes later, and a failure is reported", async () => {
  let answer: (() => void) | undefined;
  const world = worldOf((storage) => ({
    ...storage,
    manifests: new Proxy(storage.manifests, {
      get: (manifests, key: keyof Storage["manifests"]) =>
        key !== "read"
          ? (manifests[key] as () => unknown).bind(manifests)
          : async (of: typeof name, digest: Digest) => {
              if (answer !== undefined) throw new Error("failed");
              await new Promise<void>((resolve) => {
                answer = resolve;
              });
              return manifests.read(of, digest);
            },
    }),
  }));
  const [of, other] = [image(), image()];
  for (const one of [of, other]) await world.push(one);
  const early = await world.get(of, new Deadline(20));
  assert.deepEqual([early.has, early.complete], [false, false]);
  const failed = await world.get(other);
  assert.deepEqual([failed.has, failed.complete, world.errors.length], [false, false, 1]);
  answer?.();
  assert.ok((await world.get(of)).complete);
  await world.facts.close();
});

test("looking grants no lease, and changes none of the caches of pulls", async () => {
  const world = worldOf();
  const of = image();
  await world.push(of);
  await world.get(of);
  const digest = parseDigest(of.digest);
  assert.equal((await world.cluster.node().leases.leased(name, [digest])).size, 0);
  assert.equal(world.caches.manifests.get(`${name}@${digest}`), undefined);
});
