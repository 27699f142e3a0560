// end-9 and end-10: a deleted object disappears everywhere at once, also from memory, and nothing else does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, serve } from "../support/client.js";
import { blobOf, image, index, newName } from "../support/content.js";
import { eventually, storedBelow, storedByRequests } from "../support/store.js";

const { client, gantry } = await serve();
const keeping = await serve({ REGISTRY_STORAGE_DELETE_ENABLED: "false" });

test("a deleted tag is removed, but not its manifest and its other tags", async () => {
  const name = newName();
  const made = image();
  await client.pushImage(name, made, "one");
  await client.pushImage(name, made, "two");
  assert.equal((await client.get(`/v2/${name}/manifests/one`)).status, 200);
  const deleted = await client.delete(`/v2/${name}/manifests/one`);
  assert.deepEqual([deleted.status, deleted.body.length], [202, 0]);
  assertError(await client.get(`/v2/${name}/manifests/one`), 404, "MANIFEST_UNKNOWN");
  assert.equal((await client.head(`/v2/${name}/manifests/one`)).status, 404);
  assert.equal((await client.get(`/v2/${name}/manifests/two`)).status, 200);
  assert.equal((await client.get(`/v2/${name}/manifests/${made.digest}`)).status, 200);
  assert.deepEqual((await client.get(`/v2/${name}/tags/list`)).json(), { name, tags: ["two"] });
  assertError(await client.delete(`/v2/${name}/manifests/one`), 404, "MANIFEST_UNKNOWN");
});

test("a deleted manifest is removed with all its tags, but not those of other manifests", async () => {
  const name = newName();
  const [made, other] = [image(), image()];
  for (const tag of ["a", "b", "c"]) await client.pushImage(name, made, tag);
  await client.pushImage(name, other, "b");
  await client.pushImage(name, other, "d");
  for (const tag of ["a", "b", "c", "d"]) await client.get(`/v2/${name}/manifests/${tag}`);
  assert.equal((await client.delete(`/v2/${name}/manifests/${made.digest}`)).status, 202);
  for (const reference of ["a", "c", made.digest]) {
    assertError(await client.get(`/v2/${name}/manifests/${reference}`), 404, "MANIFEST_UNKNOWN");
  }
  for (const reference of ["b", "d", other.digest]) {
    assert.equal((await client.get(`/v2/${name}/manifests/${reference}`)).status, 200);
  }
  assert.deepEqual((await client.get(`/v2/${name}/tags/list`)).json(), { name, tags: ["b", "d"] });
  const stored = await storedBelow(`${gantry.root}/manifests/${name}`);
  // The history of tags names what is gone.
  const left = stored.filter((path) => !/^tags\/(?:\.history\/.*|[^/]+\/\d{13}\.[^/]+)$/.test(path));
  assert.ok(left.every((path) => !path.includes(made.digest) && !/^tags\/[ac]/.test(path)));
});

test("while a manifest with many tags is deleted, pushes to its repository proceed", async () => {
  const name = newName();
  const made = image();
  await client.pushImage(name, made, "first");
  for (let count = 0; count < 10; count++) {
    const tags = Array.from({ length: 100 }, (_, place) => `tag=t${count}-${place}`).join("&");
    await client.pushImage(name, made, `${made.digest}?${tags}`);
  }
  const order: string[] = [];
  const deletion = client.delete(`/v2/${name}/manifests/${made.digest}`).then((answer) => {
    order.push("deletion");
    return answer;
  });
  const begun = async () =>
    (await client.head(`/v2/${name}/manifests/t0-0`)).status === 404 ? true : undefined;
  await eventually("the first tags are removed", begun);
  await client.pushImage(name, image(), "pushed").then(() => order.push("push"));
  assert.equal((await deletion).status, 202);
  assert.deepEqual(order, ["push", "deletion"]);
  assert.deepEqual((await client.get(`/v2/${name}/tags/list`)).json(), { name, tags: ["pushed"] });
  assertError(await client.get(`/v2/${name}/manifests/${made.digest}`), 404, "MANIFEST_UNKNOWN");
});

test("a deleted manifest can be pushed again", async () => {
  const name = newName();
  const made = image();
  for (let time = 0; time < 3; time++) {
    await client.pushImage(name, made, "latest");
    assert.equal((await client.get(`/v2/${name}/manifests/latest`)).status, 200);
    await client.delete(`/v2/${name}/manifests/${made.digest}`);
    assert.equal((await client.get(`/v2/${name}/manifests/latest`)).status, 404);
  }
});

test("a manifest in an index can be deleted, and the index stays", async () => {
  const name = newName();
  const made = image();
  await client.pushImage(name, made);
  const list = index([made]);
  await client.pushImage(name, list, "list");
  assert.equal((await client.delete(`/v2/${name}/manifests/${made.digest}`)).status, 202);
  assert.equal((await client.get(`/v2/${name}/manifests/list`)).status, 200);
});

for (const [what, size] of [
  ["small", 100],
  ["large", 200_000],
] as const) {
  test(`a deleted ${what} blob is unknown at once although it was just read, and its bytes go with the last repository`, async () => {
    const [name, other] = [newName(), newName()];
    const blob = blobOf(size);
    await client.pushBlobs(name, blob);
    await client.pushBlobs(other, blob);
    const path = (repository: string) => `/v2/${repository}/blobs/${blob.digest}`;
    for (const repository of [name, other]) {
      assert.equal((await client.get(path(repository))).status, 200);
      assert.equal((await client.head(path(repository))).status, 200);
    }
    const deleted = await client.delete(path(name));
    assert.deepEqual([deleted.status, deleted.body.length], [202, 0]);
    assertError(await client.get(path(name)), 404, "BLOB_UNKNOWN");
    assert.equal((await client.head(path(name))).status, 404);
    assert.equal((await client.get(path(name), { Range: "bytes=0-1" })).status, 404);
    assert.equal((await client.get(path(name), { "If-None-Match": "*" })).status, 404);
    assertError(await client.delete(path(name)), 404, "BLOB_UNKNOWN");
    assert.ok((await client.get(path(other))).body.equals(blob.bytes));
    const hex = blob.digest.slice("sha256:".length);
    assert.equal((await storedBelow(gantry.root)).filter((file) => file.includes(hex)).length, 2);
    assert.equal((await client.delete(path(other))).status, 202);
    assert.ok((await storedBelow(gantry.root)).every((file) => !file.includes(hex)));
    await client.pushBlobs(name, blob);
    assert.ok((await client.get(path(name))).body.equals(blob.bytes));
  });

  test(`a ${what} blob deleted while it is read is not cached`, async () => {
    for (let time = 0; time < 20; time++) {
      const name = newName();
      const blob = blobOf(size);
      await client.pushBlobs(name, blob);
      const path = `/v2/${name}/blobs/${blob.digest}`;
      const [deleted, ...read] = await Promise.all([
        client.delete(path),
        client.get(path),
        client.get(path),
        client.head(path),
      ]);
      assert.equal(deleted.status, 202);
      for (const answer of read) assert.ok([200, 404].includes(answer.status));
      assert.equal((await client.get(path)).status, 404);
      assert.equal((await client.head(path)).status, 404);
    }
  });

  test(`a ${what} blob pushed and deleted concurrently either exists or does not, in every response`, async () => {
    for (let time = 0; time < 20; time++) {
      const name = newName();
      const blob = blobOf(size);
      await client.pushBlobs(name, blob);
      const path = `/v2/${name}/blobs/${blob.digest}`;
      await Promise.all([client.delete(path), client.pushBlobs(name, blob)]);
      const [get, head] = [await client.get(path), await client.head(path)];
      assert.equal(get.status, head.status);
    }
  });
}

test("after the deletion of a blob, a manifest that needs it is checked again", async () => {
  const name = newName();
  const made = image();
  await client.pushImage(name, made);
  const [config] = made.blobs;
  await client.delete(`/v2/${name}/blobs/${config?.digest}`);
  const answer = await client.putManifest(name, "latest", made.bytes, made.mediaType);
  assertError(answer, 400, "MANIFEST_BLOB_UNKNOWN");
});

test("missing objects cannot be deleted", async () => {
  const { digest } = blobOf(1);
  for (const name of [newName(), "a"]) {
    assertError(await client.delete(`/v2/${name}/blobs/${digest}`), 404, "BLOB_UNKNOWN");
    assertError(await client.delete(`/v2/${name}/manifests/${digest}`), 404, "MANIFEST_UNKNOWN");
    assertError(await client.delete(`/v2/${name}/manifests/latest`), 404, "MANIFEST_UNKNOWN");
  }
});

test("if deletion is disabled, tags, manifests and blobs stay: 405", async () => {
  const name = newName();
  const made = image();
  await keeping.client.pushImage(name, made, "latest");
  const before = await storedByRequests(keeping.gantry.root);
  for (const path of [
    `manifests/latest`,
    `manifests/${made.digest}`,
    `blobs/${made.blobs[0]?.digest}`,
    "manifests/none",
    `blobs/${blobOf(1).digest}`,
  ]) {
    assertError(await keeping.client.delete(`/v2/${name}/${path}`), 405, "UNSUPPORTED");
  }
  assert.deepEqual(await storedByRequests(keeping.gantry.root), before);
  const location = await keeping.client.openUpload(name);
  assert.equal((await keeping.client.delete(location)).status, 204, "an upload can still be canceled");
});
