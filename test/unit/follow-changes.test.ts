// Caches follow the changes of all nodes and never answer with an outdated entry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Caches } from "../../src/cache/caches.js";
import { followChanges } from "../../src/cache/follow-changes.js";
import { TagList } from "../../src/cache/tag-list.js";
import type { Change } from "../../src/cluster/cluster.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import type { Storage } from "../../src/storage/storage.js";

const name = parseRepositoryName("a/b");
const [tag, other] = [parseTag("latest"), parseTag("other")];
const digest = parseDigest(`sha256:${"0".repeat(64)}`);
const key = `${name}@${digest}` as const;
const tagKey = `${name}:${tag}` as const;

/** Caches with every entry that a change may concern, and a way to report a change by another node. */
function filled() {
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const caches = new Caches({ blobs: {} } as Storage);
  followChanges(caches, cluster.node().changes);
  caches.tags.set(tagKey, digest);
  caches.tagLists.set(name, TagList.of([tag]));
  caches.manifests.set(key, {
    digest,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    bytes: Buffer.from("{}"),
  });
  caches.blobSeen(name, digest, 1);
  caches.smallBlobs.set(key, Buffer.from("x"));
  return { cluster, caches, elsewhere: cluster.node().changes };
}

function kept({ caches }: ReturnType<typeof filled>) {
  return {
    tag: caches.tags.get(tagKey) !== undefined,
    tags: caches.tagLists.get(name)?.tags,
    manifest: caches.manifests.get(key) !== undefined,
    blob: caches.blobSizes.get(key) !== undefined && caches.smallBlobs.get(key) !== undefined,
  };
}

const all = { tag: true, tags: [tag], manifest: true, blob: true };
const cases: readonly [change: Change, left: Partial<ReturnType<typeof kept>>][] = [
  [{ kind: "tag-pointed", name, tag }, { tag: false }],
  [{ kind: "tag-pointed", name, tag: other }, { tags: [tag, other] }],
  [
    { kind: "tag-removed", name, tag },
    { tag: false, tags: [] },
  ],
  [
    { kind: "tag-unsure", name, tag },
    { tag: false, tags: undefined },
  ],
  [{ kind: "manifest-deleted", name, digest }, { manifest: false }],
  [{ kind: "blob-deleted", name, digest }, { blob: false }],
  [
    { kind: "condemned", name, digest },
    { manifest: false, blob: false },
  ],
  [{ kind: "pushed-untagged", name }, {}],
  [{ kind: "repository-emptied", name }, { tags: undefined }],
  [{ kind: "blobs-healed" }, { blob: false }],
];
for (const [change, left] of cases) {
  test(`caches drop only the entries that "${change.kind}" has changed`, () => {
    const set = filled();
    set.elsewhere.publish(change);
    assert.deepEqual(kept(set), { ...all, ...left });
  });
}

test("caches drop everything when changes were lost", async () => {
  const set = filled();
  await set.cluster.lose();
  assert.deepEqual(kept(set), { tag: false, tags: undefined, manifest: false, blob: false });
});

test("a write is not cached if the key changed meanwhile", () => {
  const { caches, elsewhere } = filled();
  caches.tags.beginWrite(tagKey);
  assert.ok(caches.tags.endWrite(tagKey), "alone");
  caches.tags.beginWrite(tagKey);
  elsewhere.publish({ kind: "tag-pointed", name, tag });
  assert.ok(!caches.tags.endWrite(tagKey), "another node pointed it");
  caches.tags.beginWrite(tagKey);
  caches.tags.beginWrite(tagKey);
  assert.deepEqual(
    [caches.tags.endWrite(tagKey), caches.tags.endWrite(tagKey)],
    [false, false],
    "two at once",
  );
  caches.tags.beginWrite(tagKey);
  caches.tags.clear();
  assert.ok(!caches.tags.endWrite(tagKey), "changes were lost");
});
