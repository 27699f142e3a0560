// Numbers of repositories: those of the store, soon after each change, and nothing about hidden repositories.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openPolicy } from "../../src/auth/policy.js";
import { RepositorySummaries } from "../../src/browse/repository-summaries.js";
import { Summary } from "../../src/browse/summary.js";
import { Caches } from "../../src/cache/caches.js";
import { followChanges } from "../../src/cache/follow-changes.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Deadline } from "../../src/lib/deadline.js";
import { MemoryData } from "../../src/storage/memory/memory-data.js";
import type { Storage } from "../../src/storage/storage.js";
import { catalogOf, patience, policyOf, store } from "../support/browsing.js";
import { blobOf, image } from "../support/content.js";
import { memoryStorage } from "../support/memory-storage.js";
import { opening } from "../support/opening.js";
import { eventually } from "../support/store.js";

const everything = catalogOf(openPolicy);
const name = parseRepositoryName("team/app");
const other = parseRepositoryName("other");

function worldOf({ sizeMilliseconds = 0, storageOf = (storage: Storage) => storage } = {}) {
  const data = new MemoryData();
  const storage = storageOf(memoryStorage(data));
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const { changes } = cluster.node();
  const caches = new Caches(storage, changes);
  followChanges(caches, changes);
  const errors: unknown[] = [];
  const summaries = new RepositorySummaries({ storage, caches }, changes, {
    onError: (error) => void errors.push(error),
    sizeMilliseconds,
  });
  const elsewhere = cluster.node().changes;
  /** The size may have to wait: it is read for a part of the time only. */
  const get = () =>
    eventually("a complete summary", async () => {
      const found = await summaries.get(everything, [name], patience());
      return found.complete ? found.summaries.get(name) : undefined;
    });
  const putBlob = (of = name, bytes = 100) => {
    const blob = blobOf(bytes);
    const digest = parseDigest(blob.digest);
    data.contents.set(digest, blob.bytes);
    data.made(of).blobs.add(digest);
    return digest;
  };
  return { data, storage, caches, cluster, elsewhere, summaries, get, putBlob, errors };
}

test("a summary has the number of tags, the last push and the size of distinct content", async () => {
  const world = worldOf();
  const of = image();
  await store(world.storage, name, { tag: "a", pushedAt: 1000, of });
  await store(world.storage, name, { tag: "b", pushedAt: 3000, of });
  await store(world.storage, name, { tag: "c", pushedAt: 2000, of });
  world.putBlob();
  const bytes = of.bytes.length + 100;
  assert.deepEqual(await world.get(), { tags: 3, lastPushAt: 3000, bytes });
});

test("a repository without tags was last pushed when its last manifest was", async () => {
  const world = worldOf();
  const before = Date.now();
  await store(world.storage, name);
  const found = await world.get();
  assert.ok(found?.tags === 0 && found.lastPushAt !== undefined && found.lastPushAt >= before);
  assert.equal((await world.summaries.get(everything, [other], patience())).summaries.get(other)?.tags, 0);
});

test("a caller learns nothing about repositories that the policy hides", async () => {
  const world = worldOf();
  await store(world.storage, name);
  await store(world.storage, other);
  const found = await world.summaries.get(catalogOf(policyOf("team/*")), [name, other], patience());
  assert.deepEqual([...found.summaries.keys()], [name]);
});

test("changes by any node appear at the next look", async () => {
  const world = worldOf();
  await store(world.storage, name, { tag: "a", pushedAt: 1000 });
  const first = await world.get();
  await store(world.storage, name, { tag: "b", pushedAt: 2000 });
  await world.elsewhere.publish({ kind: "tag-pointed", name, tag: parseTag("b") });
  const second = await world.get();
  assert.deepEqual([second?.tags, second?.lastPushAt], [2, 2000]);
  assert.ok(Number(second?.bytes) > Number(first?.bytes));
  const before = Date.now();
  const digest = world.putBlob();
  await world.elsewhere.publish({ kind: "pushed-untagged", name });
  const third = await world.get();
  assert.ok(Number(third?.lastPushAt) >= before);
  assert.equal(Number(third?.bytes) - Number(second?.bytes), 100);
  await world.storage.blobs.remove(name, digest);
  await world.elsewhere.publish({ kind: "blob-deleted", name, digest });
  assert.equal((await world.get())?.bytes, second?.bytes);
  await world.storage.tags.remove(name, parseTag("b"));
  await world.cluster.lose();
  assert.equal((await world.get())?.tags, 1);
});

test("the size is not read with each push", async () => {
  const world = worldOf({ sizeMilliseconds: 60_000 });
  await store(world.storage, name, { tag: "a" });
  const first = await world.get();
  await store(world.storage, name, { tag: "b", pushedAt: 1 });
  await world.elsewhere.publish({ kind: "tag-pointed", name, tag: parseTag("b") });
  const { summaries, complete } = await world.summaries.get(everything, [name], patience());
  assert.deepEqual(summaries.get(name), { ...first, tags: 2 });
  assert.equal(complete, false);
});

test("a push without a tag counts after a reading that failed", async () => {
  const world = worldOf();
  await store(world.storage, name, { tag: "a", pushedAt: 1000 });
  const summary = new Summary({ storage: world.storage, caches: world.caches }, name, 0);
  await summary.read();
  assert.equal(summary.found?.lastPushAt, 1000);
  const { times } = world.storage.tags;
  world.storage.tags.times = () => {
    throw new Error("failed");
  };
  const before = Date.now();
  summary.notePush();
  await assert.rejects(summary.read(), /failed/);
  world.storage.tags.times = times;
  await summary.read();
  assert.ok(Number(summary.found?.lastPushAt) >= before);
});

test("a client that waits for many repositories leaves room for others", async () => {
  const { opened, open } = opening();
  const world = worldOf({
    storageOf: (storage) => ({
      ...storage,
      blobs: new Proxy(storage.blobs, {
        get: (blobs, key: keyof Storage["blobs"]) =>
          key !== "list"
            ? (blobs[key] as () => unknown).bind(blobs)
            : (of: typeof name) => opened.then(() => blobs.list(of)),
      }),
    }),
  });
  await store(world.storage, name, { tag: "a", pushedAt: 1000 });
  const many = Array.from({ length: 1_000 }, (_, number) => parseRepositoryName(`many/r${number}`));
  await world.summaries.get(everything, many, new Deadline(0), "greedy");
  const found = world.summaries.get(everything, [name], patience(), "other");
  open();
  assert.equal((await found).complete, true);
  await world.summaries.close();
});

test("what takes longer than the deadline comes later, and one failure does not affect others", async () => {
  let go = () => {};
  const gone = new Promise<void>((resolve) => {
    go = resolve;
  });
  const world = worldOf({
    storageOf: (storage) => ({
      ...storage,
      blobs: new Proxy(storage.blobs, {
        get: (blobs, key: keyof Storage["blobs"]) =>
          key !== "list"
            ? (blobs[key] as () => unknown).bind(blobs)
            : async (of: typeof name) => {
                if (of === other) throw new Error("failed");
                await gone;
                return blobs.list(of);
              },
      }),
    }),
  });
  for (const repository of [name, other])
    await store(world.storage, repository, { tag: "a", pushedAt: 1000 });
  const wanted = [name, other];
  const early = await world.summaries.get(everything, wanted, new Deadline(20));
  for (const one of wanted) assert.equal(early.summaries.get(one)?.bytes, undefined);
  assert.equal(early.complete, false);
  const reading = await world.summaries.get(everything, [name], new Deadline(20));
  assert.equal(reading.complete, false, "while the size is being read");
  go();
  const late = await world.summaries.get(everything, wanted, patience());
  assert.deepEqual(
    wanted.map((one) => late.summaries.get(one)?.bytes !== undefined),
    [true, false],
  );
  assert.deepEqual([late.complete, world.errors.length], [false, 1]);
  await world.summaries.close();
});
