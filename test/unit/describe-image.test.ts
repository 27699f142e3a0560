// The description of an image: what misses the deadline keeps it incomplete, so that its page is loaded again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownGate } from "../../src/auth/own-gate.js";
import { attachedTo } from "../../src/browse/content/attached.js";
import { ContentReader } from "../../src/browse/content/content-reader.js";
import { describeImage } from "../../src/browse/content/describe-image.js";
import type { DescribeParts } from "../../src/browse/content/describe-parts.js";
import { attestedBy } from "../../src/browse/content/platforms.js";
import { Caches } from "../../src/cache/caches.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { parseDigest } from "../../src/domain/digest.js";
import type { DescriptorDetails } from "../../src/domain/manifest-details.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Pulls } from "../../src/gc/pulls.js";
import { Deadline } from "../../src/lib/deadline.js";
import { ManifestReader } from "../../src/registry/manifest-reader/manifest-reader.js";
import type { Storage } from "../../src/storage/storage.js";
import { alice, patience, store } from "../support/browsing.js";
import { digestOf, image, index } from "../support/content.js";
import { memoryStorage } from "../support/memory-storage.js";
import { opening } from "../support/opening.js";

const name = parseRepositoryName("team/app");
const permit = ownGate.pull(alice, name);
const tag = parseTag("v1");
const bounds = { depthMax: 10, keysMax: 1e6, descriptorsMax: 1e5, annotationBytesMax: 1e5 };

/** A storage in which one method waits until it is opened. */
function slowIn<K extends "manifests" | "tags" | "blobs">(
  part: K,
  method: keyof Storage[K],
  isSlow: (...parameters: readonly unknown[]) => boolean = () => true,
) {
  const { opened, open } = opening();
  const storage = memoryStorage();
  const slow = new Proxy(storage[part], {
    get: (target, key) => {
      const found = (target[key as keyof Storage[K]] as (...parameters: unknown[]) => unknown).bind(target);
      if (key !== method) return found;
      return method === "pushedAt" || method === "times"
        ? async function* (...parameters: unknown[]) {
            if (isSlow(...parameters)) await opened;
            yield* found(...parameters) as AsyncIterable<unknown>;
          }
        : async (...parameters: unknown[]) => {
            if (isSlow(...parameters)) await opened;
            return found(...parameters);
          };
    },
  });
  return { storage: { ...storage, [part]: slow }, open };
}

async function worldOf({ storage, open }: ReturnType<typeof slowIn>) {
  const of = image();
  const parent = index([of]);
  await store(storage, name, { tag, of });
  await store(storage, name, { tag: "all", of: parent });
  const { changes } = new MemoryCluster({ leaseSeconds: 3600 }).node();
  const caches = new Caches(storage, changes);
  const manifestReader = new ManifestReader(bounds, assert.ifError);
  const rules = { allowsSparse: () => true } as unknown as DescribeParts["services"]["rules"];
  const services = { storage, caches, rules, pulls: new Pulls(), manifestReader };
  const reader = new ContentReader({
    ...services,
    onStray: () => {},
    onBackgroundError: assert.ifError,
  }).of("one");
  const query = {
    reference: { kind: "tag", tag } as const,
    of: { kind: "tag", tag: parseTag("all") } as const,
    platform: undefined,
    from: 0,
    after: undefined,
  };
  const look = (deadline: Deadline) => describeImage({ services, reader }, permit, query, deadline);
  return { look, open, parent };
}

const parts: readonly [title: string, slow: () => ReturnType<typeof slowIn>][] = [
  ["the time of its first push", () => slowIn("manifests", "pushedAt")],
  ["the times of its tag", () => slowIn("tags", "times")],
  ["the layers that are not stored here", () => slowIn("blobs", "size")],
  ["the index that contains it", () => slowIn("tags", "resolve", (_, of) => of === "all")],
];
for (const [title, slow] of parts) {
  test(`an image is not complete before this is known: ${title}`, async () => {
    const { look, open } = await worldOf(slow());
    assert.equal((await look(new Deadline(200)))?.complete, false);
    open();
    const found = await look(patience());
    assert.equal(found?.complete, true);
    assert.deepEqual(found?.index, { kind: "tag", tag: "all" });
    assert.equal(typeof found?.pushedAt, "number");
    assert.equal(typeof found?.tagTimes?.pushedAt, "number");
    assert.ok((found?.absent.size ?? 0) > 0);
  });
}

test("an attestation belongs to no image if its annotation has no digest", () => {
  const annotated = (subject: string) =>
    ({
      annotations: {
        items: [
          ["vnd.docker.reference.type", "attestation-manifest"],
          ["vnd.docker.reference.digest", subject],
        ],
        total: 2,
      },
    }) as unknown as DescriptorDetails;
  const digest = digestOf("an image");
  assert.equal(attestedBy(annotated(digest)), digest);
  assert.equal(attestedBy(annotated("<b>sha256:</b>")), undefined);
});

test("what is attached has no kind before its manifest is read", async () => {
  const storage = memoryStorage();
  const of = image();
  const signature = parseTag(`sha256-${of.digest.slice("sha256:".length)}.sig`);
  await store(storage, name, { tag: signature, of: image() });
  const { changes } = new MemoryCluster({ leaseSeconds: 3600 }).node();
  const services = { storage, caches: new Caches(storage, changes) };
  const reader = {
    read: () => Promise.resolve(undefined),
    late: { within: (_: string, __: Deadline, find: () => unknown) => find() },
  };
  const unread = { services, reader } as unknown as DescribeParts;
  const found = await attachedTo(unread, name, parseDigest(of.digest), undefined, patience());
  assert.deepEqual(
    found?.artifacts.map(({ kind }) => kind),
    [undefined],
  );
  assert.equal(found?.complete, false);
});
