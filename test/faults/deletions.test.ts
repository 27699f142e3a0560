// Deletions that fail at any of their steps, during reads: afterwards every response agrees with the disk.

import assert from "node:assert/strict";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { assertError } from "../support/client.js";
import { gantryProcess as gantry } from "../support/command.js";
import {
  type Blob,
  blobOf,
  describe,
  descriptorOf,
  type Image,
  image,
  index,
  newName,
  types,
} from "../support/content.js";
import type { Fault } from "./inject.js";
import { FaultyServer } from "./support.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-deletions-"));
after(() => rm(folder, { recursive: true, force: true }));
const policy = join(folder, "policy.json");
await writeFile(policy, JSON.stringify({ retention: [{ repositories: "kept-*", keepPushedWithin: "0s" }] }));
const server = await FaultyServer.start({
  REGISTRY_GC_INTERVAL: "0s",
  REGISTRY_GC_LEASE: "0s",
  REGISTRY_TAGS_POLICY: policy,
});
const { client, gantry: running } = server;

/** A repository with everything that can be deleted. */
interface Repository {
  readonly name: string;
  /** Tagged as `v1` and `v2`, with a small blob and one that is sent from its file. */
  readonly made: Image;
  /** Its untagged referrer. */
  readonly referrer: Image;
  /** Small, then large. */
  readonly blobs: readonly [Blob, Blob];
}

async function newRepository(prefix: string): Promise<Repository> {
  const name = newName(prefix);
  const blobs = [blobOf(1000), blobOf(600_000)] as const;
  await client.pushBlobs(name, ...blobs);
  const made = image({ layers: blobs.map((blob) => descriptorOf(blob, types.layer)) });
  for (const tag of ["v1", "v2"]) await client.pushImage(name, made, tag);
  const referrer = image({ subject: describe(made) });
  await client.pushImage(name, referrer);
  return { name, made, referrer, blobs };
}

function isThere(path: string): Promise<boolean> {
  return access(join(running.root, path)).then(
    () => true,
    () => false,
  );
}

/** Repeats every possible request on the repository, so that the caches are filled at each moment. */
function paths({ name, made, referrer, blobs }: Repository): string[] {
  return [
    ...["v1", "v2", made.digest, referrer.digest].map((reference) => `/v2/${name}/manifests/${reference}`),
    ...blobs.map(({ digest }) => `/v2/${name}/blobs/${digest}`),
    `/v2/${name}/tags/list`,
    `/v2/${name}/referrers/${made.digest}`,
  ];
}

async function whileRead<T>(repository: Repository, work: () => Promise<T>): Promise<T> {
  let ended = false;
  const readers = paths(repository).map(async (path) => {
    while (!ended) {
      await client.get(path);
      await client.head(path);
    }
  });
  try {
    return await work();
  } finally {
    ended = true;
    await Promise.all(readers);
  }
}

/**
 * Checks that all responses about a repository agree with the disk, and that nothing that names removed content is accepted.
 */
async function assertAgrees(repository: Repository): Promise<void> {
  const { name, made, referrer, blobs } = repository;
  const status = (found: boolean) => (found ? 200 : 404);
  const manifests = new Map<Image, boolean>();
  for (const one of [made, referrer]) manifests.set(one, await isThere(`manifests/${name}/${one.digest}`));
  for (const [one, found] of manifests) {
    const path = `/v2/${name}/manifests/${one.digest}`;
    assert.equal((await client.get(path)).status, status(found), "GET by digest");
    assert.equal((await client.head(path)).status, status(found), "HEAD by digest");
  }
  const tags: string[] = [];
  for (const tag of ["v1", "v2"]) {
    const found = await isThere(`manifests/${name}/tags/${tag}/manifest.sha256`);
    if (found) tags.push(tag);
    const path = `/v2/${name}/manifests/${tag}`;
    const pulled = status(found && manifests.get(made) === true);
    assert.equal((await client.get(path)).status, pulled, `GET of ${tag}`);
    assert.equal((await client.head(path)).status, pulled, `HEAD of ${tag}`);
    assert.ok(!found || manifests.get(made), "no tag points to a removed manifest");
  }
  const known = await isThere(`manifests/${name}/tags`);
  const list = await client.get(`/v2/${name}/tags/list`);
  assert.equal(list.status, status(known), "a collection removes an empty repository");
  const listed = known ? (list.json() as { tags: string[] }).tags : [];
  assert.deepEqual(
    listed.filter((tag) => tag.startsWith("v")),
    tags,
  );
  const entry = await isThere(`manifests/${name}/_referrers/${made.digest}/${referrer.digest}`);
  const referrers = (await client.get(`/v2/${name}/referrers/${made.digest}`)).json() as {
    manifests: { digest: string }[];
  };
  assert.deepEqual(
    referrers.manifests.map(({ digest }) => digest),
    entry && manifests.get(referrer) ? [referrer.digest] : [],
  );
  for (const blob of blobs) {
    const found = await isThere(`blobs/${name}/${blob.digest}`);
    const path = `/v2/${name}/blobs/${blob.digest}`;
    assert.equal((await client.head(path)).status, status(found), "HEAD of a blob");
    assert.equal((await client.get(path)).status, status(found), "GET of a blob");
    const naming = image({ layers: [descriptorOf(blob, types.layer)] });
    await client.pushBlobs(name, ...naming.blobs);
    const answer = await client.putManifest(name, "naming", naming.bytes, naming.mediaType);
    assert.equal(answer.status, found ? 201 : 400, "a manifest that names a blob");
  }
  for (const [one, found] of manifests) {
    const above = index([one]);
    const answer = await client.putManifest(name, "above", above.bytes, above.mediaType);
    assert.equal(answer.status, found ? 201 : 400, "an index that names a manifest");
  }
}

type Step = readonly [what: string, fault: (repository: Repository) => Omit<Fault, "code">];

const atTags: readonly Step[] = [
  ["the tag's rename", ({ name }) => ({ call: "rename", path: `manifests/${name}/tags/v1 ` })],
  ["the sync of the tags' folder", ({ name }) => ({ call: "fsync", path: `manifests/${name}/tags$` })],
];
const atManifests: readonly Step[] = [
  ["the manifest's unlink", ({ name }) => ({ call: "unlink", path: `manifests/${name}/sha256` })],
  ["the sync of its folder", ({ name }) => ({ call: "fsync", path: `manifests/${name}$` })],
];
const atReferrers: readonly Step[] = [
  ["the unlink of its entry", ({ name }) => ({ call: "unlink", path: `manifests/${name}/_referrers` })],
  ["the sync of the entry's folder", ({ name }) => ({ call: "fsync", path: `manifests/${name}/_ref` })],
  ["the removal of that folder", ({ name }) => ({ call: "rmdir", path: `manifests/${name}/_ref` })],
];
const atBlobs: readonly Step[] = [
  ["the blob's unlink", ({ name }) => ({ call: "unlink", path: `blobs/${name}/` })],
  ["the unlink of its content", () => ({ call: "unlink", path: "content/" })],
  ["the sync of its folder", ({ name }) => ({ call: "fsync", path: `blobs/${name}$` })],
];

/** The objects deleted over the API, and the steps at which the disk may fail. */
const deletions: readonly [what: string, path: (repository: Repository) => string, steps: readonly Step[]][] =
  [
    ["a tag", ({ name }) => `/v2/${name}/manifests/v1`, atTags],
    ["a manifest", ({ name, made }) => `/v2/${name}/manifests/${made.digest}`, [...atTags, ...atManifests]],
    [
      "a referrer",
      ({ name, referrer }) => `/v2/${name}/manifests/${referrer.digest}`,
      [...atManifests, ...atReferrers],
    ],
    ["a small blob", ({ name, blobs }) => `/v2/${name}/blobs/${blobs[0].digest}`, atBlobs],
    ["a large blob", ({ name, blobs }) => `/v2/${name}/blobs/${blobs[1].digest}`, atBlobs],
  ];

/** Long enough for the readers to request all of it. */
const delayMilliseconds = 60;

for (const [what, path, steps] of deletions)
  for (const [step, fault] of steps) {
    test(`the deletion of ${what} that fails at ${step} gets 500, and every response agrees with the disk`, async () => {
      const repository = await newRepository("repo");
      await whileRead(repository, async () => {
        const failing: Fault = { ...fault(repository), code: "EIO", delayMilliseconds };
        assertError(await server.during(failing, () => client.delete(path(repository))), 500, "UNKNOWN");
      });
      await assertAgrees(repository);
      await whileRead(repository, async () => {
        const again = await client.delete(path(repository));
        assert.ok([202, 404].includes(again.status), String(again.status));
      });
      await assertAgrees(repository);
      await server.isIntact();
    });
  }

test("a tag whose files cannot be removed after leaving its folder is deleted nevertheless", async () => {
  const repository = await newRepository("repo");
  const fault: Fault = { call: "rm", code: "EIO", path: "uploads/", delayMilliseconds };
  await whileRead(repository, async () => {
    const path = `/v2/${repository.name}/manifests/v1`;
    assert.equal((await server.during(fault, () => client.delete(path))).status, 202);
  });
  await assertAgrees(repository);
});

for (const [step, fault] of [...atTags, ...atManifests, ...atReferrers, ...atBlobs]) {
  test(`a collection that fails at ${step}: every response agrees with the disk`, async () => {
    const repository = await newRepository("kept");
    const { name } = repository;
    const unnamed = blobOf(70_000);
    await client.pushBlobs(name, unnamed);
    await whileRead({ ...repository, blobs: [repository.blobs[0], unnamed] }, () =>
      server.during({ ...fault(repository), code: "EIO", delayMilliseconds }, () =>
        gantry(running.root, ["gc", "--delete", "--untagged", "0s"]),
      ),
    );
    await assertAgrees({ ...repository, blobs: [repository.blobs[0], unnamed] });
    const again = await gantry(running.root, ["gc", "--delete", "--untagged", "0s"]);
    assert.equal(again.code, 0, again.stdout + again.stderr);
    await assertAgrees({ ...repository, blobs: [repository.blobs[0], unnamed] });
  });
}
