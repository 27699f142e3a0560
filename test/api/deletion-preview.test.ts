// The preview of a deletion tells exactly what the deletion and the next garbage collection remove.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ownGate } from "../../src/auth/own-gate.js";
import type { DeletionPreview } from "../../src/browse/deletion-previews.js";
import { DeletionPreviews } from "../../src/browse/deletion-previews.js";
import type { Digest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { noTagPolicy } from "../../src/gc/retention.js";
import { Deadline } from "../../src/lib/deadline.js";
import { collectGarbage } from "../../src/registry/collect-garbage.js";
import { alice, patience } from "../support/browsing.js";
import { Client } from "../support/client.js";
import {
  blobOf,
  describe,
  descriptorOf,
  type Image,
  image,
  index,
  manifestOf,
  newName,
  types,
} from "../support/content.js";
import { opening } from "../support/opening.js";
import { serveInside } from "../support/server.js";

const settings = {
  REGISTRY_GC_INTERVAL: "0s",
  REGISTRY_GC_LEASE: "0s",
  REGISTRY_STORAGE_DELETE_ENABLED: "true",
};
const server = await serveInside(settings);
const client = new Client(server.url);
const { services } = server;

function preview(name: string, ...tags: string[]): Promise<DeletionPreview> {
  const previews = new DeletionPreviews(services, 0);
  const permit = ownGate.delete(alice, parseRepositoryName(name));
  return previews.get(permit, tags.map(parseTag), patience());
}

/** Previews of a server whose manifests are listed by `list`. */
function previewsWith(list: typeof services.storage.manifests.list) {
  const { storage } = services;
  const manifests = new Proxy(storage.manifests, {
    get: (target, key: keyof typeof services.storage.manifests) =>
      key === "list" ? list : (target[key] as () => unknown).bind(target),
  });
  const errors: unknown[] = [];
  const slow = {
    ...services,
    storage: { ...storage, manifests },
    onBackgroundError: (error: unknown) => void errors.push(error),
  };
  const previews = new DeletionPreviews(slow, 0, { previewMilliseconds: 50, retryMilliseconds: 60_000 });
  return { previews, errors };
}

interface Numbers {
  readonly manifests: readonly string[];
  readonly blobs: number;
  readonly bytes: number;
}

function numbersOf({ after }: DeletionPreview): Numbers {
  const { manifests = [], blobCount = Number.NaN, bytes = Number.NaN } = after?.lost ?? {};
  return { manifests: manifests.map(({ digest }) => digest).sort(), blobs: blobCount, bytes };
}

/** Deletes the tags, collects, and returns what was removed. */
async function remove(name: string, ...tags: string[]): Promise<Numbers> {
  for (const tag of tags) assert.equal((await client.delete(`/v2/${name}/manifests/${tag}`)).status, 202);
  const sizes = new Map<string, number>();
  const repository = parseRepositoryName(name);
  for (const digest of await services.storage.manifests.list(repository))
    sizes.set(digest, (await services.storage.manifests.size(repository, digest)) ?? 0);
  const report = await collectGarbage(services, { dryRun: false, untaggedSeconds: 0 });
  const { manifests = [], blobs = [] } = report.repositories.find((one) => one.name === name) ?? {};
  const manifestBytes = manifests.reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0);
  return {
    manifests: [...manifests].sort(),
    blobs: blobs.length,
    bytes: report.bytesFreed + manifestBytes,
  };
}

/** Why the preview says that a manifest goes. */
function reasonOf({ after }: DeletionPreview, { digest }: Image): string | undefined {
  return after?.lost?.manifests.find((one) => one.digest === (digest as Digest))?.because;
}

test("an index goes with its images and all that refers to them, except what another tag needs", async () => {
  const name = newName();
  const [one, two, shared] = [image(), image(), image()];
  const both = index([one, two, shared]);
  const signature = image({ subject: describe(both), artifactType: "application/vnd.acme.signature" });
  for (const child of [one, two, shared]) await client.pushImage(name, child);
  await client.pushImage(name, both, "v1");
  await client.pushImage(name, signature);
  await client.pushImage(name, shared, "shared");
  const found = await preview(name, "v1");
  assert.deepEqual(found.after?.fate, { kind: "collected", afterSeconds: 0 });
  assert.deepEqual(
    [both, one, signature, shared].map((each) => reasonOf(found, each)),
    ["tag", "part", "referrer", undefined],
  );
  assert.deepEqual(numbersOf(found), await remove(name, "v1"));
  assert.deepEqual(
    numbersOf(found).manifests,
    [both, one, two, signature].map(({ digest }) => digest).sort(),
  );
});

test("a tag of an image that has another one frees nothing", async () => {
  const name = newName();
  const of = image();
  await client.pushImage(name, of, "a");
  await client.pushImage(name, of, "b");
  const found = await preview(name, "a");
  assert.deepEqual(numbersOf(found), { manifests: [], blobs: 0, bytes: 0 });
  const all = await preview(name, "a", "b");
  assert.deepEqual(numbersOf(all).manifests, [of.digest]);
  assert.deepEqual(numbersOf(all), await remove(name, "a", "b"));
});

test("blobs of other images and of other repositories free nothing", async () => {
  const [name, other] = [newName(), newName()];
  const [common, own, elsewhere, config] = [blobOf(1000), blobOf(200), blobOf(3000), blobOf(20)];
  const layersOf = (...blobs: ReturnType<typeof blobOf>[]) =>
    manifestOf(
      {
        schemaVersion: 2,
        mediaType: types.manifest,
        config: descriptorOf(config, types.config),
        layers: blobs.map((blob) => descriptorOf(blob, types.layer)),
      },
      [config, ...blobs],
    );
  const goes = layersOf(common, own, elsewhere);
  await client.pushImage(name, goes, "goes");
  await client.pushImage(name, layersOf(common), "stays");
  await client.pushImage(other, layersOf(elsewhere), "stays");
  const found = await preview(name, "goes");
  assert.deepEqual(numbersOf(found), {
    manifests: [goes.digest],
    blobs: 2,
    bytes: goes.bytes.length + own.bytes.length,
  });
  assert.deepEqual(numbersOf(found), await remove(name, "goes"));
});

test("tags that cannot be deleted are told, and not counted", async () => {
  const name = newName();
  await client.pushImage(name, image(), "v1");
  const immutable = { matches: (_: unknown, tag: string) => tag.startsWith("v") };
  const rules = { ...services.rules, tagPolicy: { immutable: [immutable], retention: [] } };
  const permit = ownGate.delete(alice, parseRepositoryName(name));
  const tags = ["v1", "gone"].map(parseTag);
  const ask = (changed: Partial<typeof services>) =>
    new DeletionPreviews({ ...services, ...changed }, 0).get(permit, tags, patience());
  const refusals = async (changed: Partial<typeof services>) =>
    (await ask(changed)).tags.map(({ refusal }) => refusal);
  assert.deepEqual(await refusals({ rules }), ["immutable", "missing"]);
  assert.deepEqual(await refusals({ rules: { ...rules, deleteEnabled: false } }), [
    "delete-disabled",
    "missing",
  ]);
  assert.deepEqual(numbersOf(await ask({ rules })), { manifests: [], blobs: 0, bytes: 0 });
});

test("a preview is by the rules of now, not by those of an earlier one", async () => {
  const name = newName();
  const [of, next] = [image(), image()];
  await client.pushImage(name, of, "moved");
  await client.pushImage(name, of, "v1");
  await client.pushImage(name, next, "moved");
  const rules = { ...services.rules, tagPolicy: noTagPolicy };
  const previews = new DeletionPreviews({ ...services, rules }, 0);
  const permit = ownGate.delete(alice, parseRepositoryName(name));
  const ask = () => previews.get(permit, [parseTag("v1")], patience());
  assert.deepEqual(numbersOf(await ask()).manifests, [of.digest]);
  const all = { matches: () => true };
  Object.assign(rules, {
    tagPolicy: { immutable: [], retention: [{ pattern: all, title: "all", keepPrevious: 1 }] },
  });
  assert.deepEqual(numbersOf(await ask()).manifests, []);
  Object.assign(rules, { tagPolicy: { immutable: [all], retention: [] } });
  assert.deepEqual(
    (await ask()).tags.map(({ refusal }) => refusal),
    ["immutable"],
  );
});

test("what stays after all is told: by the settings, of an upstream, or because something cannot be read", async () => {
  const name = newName();
  const of = image();
  await client.pushImage(name, of, "v1");
  const permit = ownGate.delete(alice, parseRepositoryName(name));
  const fate = async (changed: Partial<typeof services>, untaggedSeconds: number | undefined) => {
    const previews = new DeletionPreviews({ ...services, ...changed }, untaggedSeconds);
    return (await previews.get(permit, [parseTag("v1")], patience())).after?.fate;
  };
  assert.deepEqual(await fate({}, undefined), { kind: "kept" });
  assert.deepEqual(await fate({ isMirrored: () => true }, 0), { kind: "evicted" });
  const damaged = blobOf("no manifest").digest as Digest;
  await services.storage.manifests.write(parseRepositoryName(name), damaged, Buffer.from("damage"));
  assert.match(JSON.stringify(await fate({}, 0)), /unreadable.*cannot be read/);
  await services.storage.manifests.remove(parseRepositoryName(name), damaged);
});

test("a preview that takes longer than the deadline comes later", async () => {
  const name = newName();
  await client.pushImage(name, image(), "v1");
  const permit = ownGate.delete(alice, parseRepositoryName(name));
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { storage } = services;
  const manifests = new Proxy(storage.manifests, {
    get: (target, key: keyof typeof storage.manifests) =>
      key !== "list"
        ? (target[key] as () => unknown).bind(target)
        : async (of: Parameters<typeof target.list>[0]) => {
            await opened;
            return target.list(of);
          },
  });
  const previews = new DeletionPreviews({ ...services, storage: { ...storage, manifests } }, 0);
  const early = await previews.get(permit, [parseTag("v1")], new Deadline(500));
  assert.deepEqual([early.tags.length, early.after, early.complete], [1, undefined, false]);
  open();
  const late = await previews.get(permit, [parseTag("v1")], patience());
  assert.deepEqual([numbersOf(late).manifests.length, late.complete], [1, true]);
});

test("for any images, indexes, referrers and tags, the preview is what is removed", async () => {
  const layers = Array.from({ length: 6 }, () => blobOf(100));
  const some = fc.array(
    fc.record({
      kind: fc.constantFrom("image", "index", "referrer"),
      of: fc.array(fc.nat(5), { minLength: 1, maxLength: 3 }),
      tags: fc.subarray(["a", "b", "c"]),
    }),
    { minLength: 1, maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(some, fc.subarray(["a", "b", "c"], { minLength: 1 }), async (pushes, removed) => {
      const name = newName();
      const there: Image[] = [];
      const tagged = new Set<string>();
      for (const { kind, of, tags } of pushes) {
        const others = of.flatMap((place) => there[place] ?? []);
        const blobs = of.map((place) => layers[place] ?? blobOf(1));
        const fields = { layers: blobs.map((blob) => descriptorOf(blob, types.layer)) };
        const [subject] = others;
        const made =
          kind === "index" && others.length > 0
            ? index([...new Set(others)])
            : image({ ...fields, ...(kind === "referrer" && subject && { subject: describe(subject) }) });
        await client.pushBlobs(name, ...blobs);
        await client.pushImage(name, made);
        for (const tag of tags) {
          await client.pushImage(name, made, tag);
          tagged.add(tag);
        }
        there.push(made);
      }
      // What no tag needs before the deletion is not part of the preview.
      await collectGarbage(services, { dryRun: false, untaggedSeconds: 0 });
      const tags = removed.filter((tag) => tagged.has(tag));
      assert.deepEqual(numbersOf(await preview(name, ...tags)), await remove(name, ...tags));
    }),
    { numRuns: 15 },
  );
});

test("a preview that takes longer than previews are kept is shown, and found once", async () => {
  const name = parseRepositoryName(newName());
  await client.pushImage(name, image(), "v1");
  const { opened, open } = opening();
  let listed = 0;
  const { previews } = previewsWith(async (of) => {
    if (listed++ === 0) await opened;
    return services.storage.manifests.list(of);
  });
  const get = (deadline: Deadline) =>
    previews.get(ownGate.delete(alice, name), [parseTag("v1")], deadline, "one");
  for (let reload = 0; reload < 3; reload++) assert.equal((await get(new Deadline(100))).complete, false);
  const found = get(patience());
  open();
  const { complete, after } = await found;
  assert.deepEqual([complete, after?.lost?.manifestCount, listed], [true, 1, 2]);
});

test("a client that asks for many previews leaves room for others, and a failed one is not repeated at once", async () => {
  const { opened, open } = opening();
  let listed = 0;
  const name = parseRepositoryName(newName());
  const tags = Array.from({ length: 40 }, (_, number) => parseTag(`t${number}`));
  const pushed = image();
  for (const tag of tags) await client.pushImage(name, pushed, tag);
  const { previews, errors } = previewsWith(async (of) => {
    if (++listed === 1) {
      await opened;
      throw new Error("the store is away");
    }
    return services.storage.manifests.list(of);
  });
  const get = (wanted: typeof tags, who: string, deadline: Deadline) =>
    previews.get(ownGate.delete(alice, name), wanted, deadline, who);
  const [first, ...others] = tags.map((tag) => get([tag], "greedy", new Deadline(1_000)));
  const other = get(tags.slice(0, 2), "other", patience());
  await Promise.all(others);
  open();
  assert.equal((await other).complete, true);
  assert.equal((await first)?.complete, false);
  await Promise.all(tags.slice(1, 12).map((tag) => get([tag], "greedy", patience())));
  const before = listed;
  assert.equal((await get(tags.slice(0, 1), "greedy", patience())).complete, false);
  assert.deepEqual([listed, errors.length], [before, 1]);
});
