// Deletion of several tags, of which one moves meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownGate } from "../../src/auth/own-gate.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { type Digest, parseDigest } from "../../src/domain/digest.js";
import { parseTag, type Tag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { deleteTags } from "../../src/registry/delete-tags.js";
import type { Services } from "../../src/registry/services.js";
import { alice, store } from "../support/browsing.js";
import { image } from "../support/content.js";
import { memoryStorage } from "../support/memory-storage.js";

const name = parseRepositoryName("team/app");
const permit = ownGate.delete(alice, name);
const [one, two, missing] = [parseTag("one"), parseTag("two"), parseTag("missing")];

async function worldOf() {
  const storage = memoryStorage();
  const of = image();
  for (const tag of [one, two]) await store(storage, name, { tag, of });
  const cluster = new MemoryCluster({ leaseSeconds: 3600 }).node();
  const rules = { deleteEnabled: true, tagPolicy: { immutable: [], retention: [] } };
  const services = { storage, cluster, rules } as unknown as Services;
  const move = (tag: Tag) => storage.tags.point(name, tag, other, { movable: true }, {});
  const remove = async (seen: ReadonlyMap<Tag, Digest | undefined>, onDeleted = async () => {}) => {
    const deleted: unknown[] = [];
    for await (const event of deleteTags(services, permit, seen)) {
      deleted.push("tag" in event ? event.tag : undefined);
      await onDeleted();
    }
    return deleted;
  };
  const current = (tag: Tag) => storage.tags.resolve(name, tag);
  return { digest: parseDigest(of.digest), move, remove, current };
}

const other = parseDigest(image().digest);

test("tags are deleted, and one that is gone is skipped", async () => {
  const { digest, remove, current } = await worldOf();
  const seen = new Map([one, missing, two].map((tag) => [tag, digest]));
  assert.deepEqual(await remove(seen), [one, two]);
  assert.equal(await current(two), undefined);
});

test("none is deleted if one had moved before", async () => {
  const { digest, move, remove, current } = await worldOf();
  await move(two);
  const seen = new Map([one, two].map((tag) => [tag, digest]));
  await assert.rejects(remove(seen), { kind: "precondition-failed", message: /nothing was deleted/ });
  assert.equal(await current(one), digest);
});

test("a tag that moves after the first deletion stays, and the message says what is deleted", async () => {
  const { digest, move, remove, current } = await worldOf();
  const seen = new Map([one, two].map((tag) => [tag, digest]));
  await assert.rejects(
    remove(seen, async () => void (await move(two))),
    { kind: "precondition-failed", message: /the tag two moved .* the tags before it are deleted/ },
  );
  assert.deepEqual([await current(one), await current(two)], [undefined, other]);
});

test("a tag that was seen as missing is not deleted", async () => {
  const { remove, current, digest } = await worldOf();
  await assert.rejects(remove(new Map([[one, undefined]])), { kind: "precondition-failed" });
  assert.equal(await current(one), digest);
});
