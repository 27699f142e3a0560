// The store's folder: the documented layout, one copy of each content, and the repair of damage.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client, serve } from "../support/client.js";
import { blobOf, describe, digestOf, image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { eventually, storedBelow } from "../support/store.js";

const { client, gantry } = await serve();

function contentPath(root: string, digest: string): string {
  const [algorithm = "", hex = ""] = digest.split(":");
  return `${root}/content/${algorithm}/${hex.slice(0, 2)}/${hex}`;
}

type Damage = (file: Awaited<ReturnType<typeof open>>, size: number) => Promise<unknown>;
const damages: Readonly<Record<string, Damage>> = {
  "of other bytes": (file, size) => file.write(Buffer.alloc(size, 1), 0, size, 0),
  "cut short": (file, size) => file.truncate(Math.floor(size / 2)),
  empty: (file) => file.truncate(0),
  "too long": (file, size) => file.write(Buffer.alloc(10, 1), 0, 10, size),
};
const cases = [3000, 300_000].flatMap((size) =>
  Object.entries(damages).map(([what, damage]) => ({
    size,
    what,
    damage,
    name: newName(),
    blob: blobOf(size),
  })),
);
const kept = { name: newName(), image: image(), blob: blobOf(5000) };
const attached = image({ subject: describe(kept.image) });

// A first server writes, its files are damaged, and a second one continues without any memory of them.
const folder = await mkdtemp(join(tmpdir(), "gantry-storage-"));
after(() => rm(folder, { recursive: true, force: true }));
const first = await startInside({}, folder);
const writer = new Client(first.url);
for (const { name, blob } of cases) await writer.pushBlobs(name, blob);
await writer.pushImage(kept.name, kept.image, "latest");
await writer.pushImage(kept.name, attached);
const location = await writer.openUpload(kept.name);
await writer.patch(location, kept.blob.bytes.subarray(0, 2000));
await first.stop();
for (const { damage, size, blob } of cases) {
  const file = await open(contentPath(folder, blob.digest), "r+");
  await damage(file, size);
  await file.close();
}
const second = await startInside({}, folder);
after(() => second.stop());
const restarted = new Client(second.url);

for (const algorithm of ["sha256", "sha512", "blake3"] as const) {
  test(`a ${algorithm} blob is at its paths, with one inode for all repositories`, async () => {
    const blob = blobOf(3000, algorithm);
    const names = [newName("a/b"), newName("c")];
    for (const name of names) await client.pushBlobs(name, blob);
    const content = await stat(contentPath(gantry.root, blob.digest));
    for (const name of names) {
      const path = `${gantry.root}/blobs/${name}/${blob.digest}`;
      assert.equal((await stat(path)).ino, content.ino);
      assert.ok((await readFile(path)).equals(blob.bytes));
    }
    const links = async () =>
      (await stat(contentPath(gantry.root, blob.digest))).nlink === 3 ? true : undefined;
    await eventually("the content has its own link and one per repository", links);
  });
}

test("a manifest and its tags are at their paths", async () => {
  const name = newName("a/b");
  const made = image({ subject: describe(image()) });
  await client.pushImage(name, made, "v1");
  const folder = `${gantry.root}/manifests/${name}`;
  assert.ok((await readFile(`${folder}/${made.digest}`)).equals(made.bytes));
  assert.equal((await readFile(`${folder}/tags/v1/manifest.sha256`, "latin1")).trim(), made.digest);
  assert.ok((await readFile(`${folder}/tags/v1/manifest`)).equals(made.bytes));
});

test("a manifest with many concurrent pushes is one file, like the copies beside its tags", async () => {
  const name = newName();
  const made = image();
  await client.pushBlobs(name, ...made.blobs);
  const tags = Array.from({ length: 24 }, (_, place) => `t${place}`);
  const pushes = tags.map((tag) => client.putManifest(name, tag, made.bytes, made.mediaType));
  for (const answer of await Promise.all(pushes)) assert.equal(answer.status, 201);
  const folder = `${gantry.root}/manifests/${name}`;
  const { ino, nlink } = await stat(`${folder}/${made.digest}`);
  assert.equal(nlink, tags.length + 1);
  for (const tag of tags) assert.equal((await stat(`${folder}/tags/${tag}/manifest`)).ino, ino, tag);
});

test("a push leaves nothing in uploads", async () => {
  const name = newName();
  await client.pushImage(name, image(), "latest");
  await client.pushImage(name, image(), "latest");
  const empty = async () => ((await storedBelow(`${gantry.root}/uploads`)).length === 0 ? true : undefined);
  await eventually("uploads is empty", empty);
});

test("repositories named like parts of the layout do not interfere", async () => {
  const base = newName();
  const names = [
    "",
    "/tags",
    "/tags/latest",
    "/tags/latest/manifest",
    "/tags/tags",
    "/blobs",
    "/manifests",
  ].map((end) => base + end);
  names.push(`${base}/blobs/uploads`, `tags/${base}`, `blobs/${base}`, `uploads/${base}`);
  const images = new Map(names.map((name) => [name, image()]));
  for (const [name, made] of images) {
    await client.pushImage(name, made, "latest");
    await client.pushImage(name, made, "manifest");
  }
  for (const [name, made] of images) {
    for (const reference of ["latest", "manifest", made.digest]) {
      const answer = await client.get(`/v2/${name}/manifests/${reference}`);
      assert.ok(answer.body.equals(made.bytes), `${name} ${reference}`);
    }
    const { tags } = (await client.get(`/v2/${name}/tags/list`)).json() as { tags: string[] };
    assert.deepEqual(tags, ["latest", "manifest"], name);
    for (const { digest } of made.blobs) {
      assert.equal((await client.head(`/v2/${name}/blobs/${digest}`)).status, 200);
    }
  }
  const { repositories } = (await client.get("/v2/_catalog")).json() as { repositories: string[] };
  assert.deepEqual(
    repositories.filter((name) => name.includes(base)),
    [...names].sort(),
  );
  assert.equal((await client.delete(`/v2/${base}/manifests/latest`)).status, 202);
  assert.equal((await client.get(`/v2/${base}/tags/latest/manifests/latest`)).status, 200);
});

for (const { size, what, name, blob } of cases) {
  test(`a blob of ${size} bytes whose content is ${what} is repaired everywhere by pushing it anywhere`, async () => {
    const damaged = await restarted.get(`/v2/${name}/blobs/${blob.digest}`);
    assert.equal(damaged.status, 200);
    assert.notEqual(digestOf(damaged.body), blob.digest);
    await restarted.head(`/v2/${name}/blobs/${blob.digest}`);
    const other = newName();
    await restarted.pushBlobs(other, blob);
    for (const repository of [other, name]) {
      const path = `/v2/${repository}/blobs/${blob.digest}`;
      assert.equal((await restarted.head(path)).headers["content-length"], String(size), repository);
      assert.ok((await restarted.get(path)).body.equals(blob.bytes), `${repository} has the correct bytes`);
    }
  });
}

for (const [what, damage] of Object.entries(damages)) {
  test(`a blob that becomes ${what} while its server runs is repaired by the next push of it`, async () => {
    const [name, other] = [newName(), newName()];
    const blob = blobOf(300_000);
    await client.pushBlobs(name, blob);
    // The clock of a file system ticks every few milliseconds: writes within one tick look like a single write.
    await pause(20);
    const file = await open(contentPath(gantry.root, blob.digest), "r+");
    await damage(file, 300_000);
    await file.close();
    await client.pushBlobs(other, blob);
    for (const repository of [other, name]) {
      const pulled = await client.get(`/v2/${repository}/blobs/${blob.digest}`);
      assert.ok(pulled.body.equals(blob.bytes), `${repository} has the correct bytes`);
    }
  });
}

test("manifests, tags and referrers are found after a restart", async () => {
  const { name, image } = kept;
  assert.ok((await restarted.get(`/v2/${name}/manifests/latest`)).body.equals(image.bytes));
  assert.deepEqual((await restarted.get(`/v2/${name}/tags/list`)).json(), { name, tags: ["latest"] });
  const answer = await restarted.get(`/v2/${name}/referrers/${image.digest}`);
  const { manifests } = answer.json() as { manifests: { digest: string }[] };
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [attached.digest],
  );
});

test("an open upload resumes after a restart", async () => {
  const { name, blob } = kept;
  assert.equal((await restarted.get(location)).headers.range, "0-1999");
  const rest = { "Content-Range": "2000-4999" };
  assert.equal((await restarted.close(location, blob.digest, blob.bytes.subarray(2000), rest)).status, 201);
  assert.ok((await restarted.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
});

test("a second server does not start on a folder that is in use", async () => {
  await assert.rejects(startInside({}, gantry.root), /in use/);
  assert.equal((await client.get("/v2/")).status, 200);
});

test("if the system cannot lock the store, the server says so, and serves", async () => {
  await using unlocked = await startGantry({ PATH: "/nonexistent" });
  assert.match(unlocked.log(), /warning: without the flock program/);
  assert.equal((await new Client(unlocked.url).get("/v2/")).status, 200);
  assert.doesNotMatch(gantry.log(), /flock/);
});

test("files that no push has created are ignored", async () => {
  const name = newName();
  await client.pushImage(name, image(), "latest");
  const folder = `${gantry.root}/manifests/${name}`;
  for (const path of [`${folder}/tags/-odd`, `${folder}/notes.txt`, `${gantry.root}/manifests/README`]) {
    await (await open(path, "w")).close();
  }
  assert.deepEqual((await client.get(`/v2/${name}/tags/list`)).json(), { name, tags: ["latest"] });
  const { repositories } = (await client.get("/v2/_catalog")).json() as { repositories: string[] };
  assert.ok(repositories.includes(name) && !repositories.some((text) => text.includes("README")));
});

test("content of CNCF distribution in the folder is named", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-foreign-"));
  try {
    await mkdir(join(folder, "docker", "registry", "v2"), { recursive: true });
    await using server = await startInside({}, folder);
    assert.match(server.log(), /warning: \/.* has content of CNCF distribution .*import --from-distribution/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
