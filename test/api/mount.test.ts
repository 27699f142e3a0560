// end-11: a blob of one repository is added to another without sending its bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, assertError, locationOf, serve } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import { leavesNothing } from "../support/store.js";

const { client, gantry } = await serve();
const strict = await serve({ REGISTRY_STORAGE_MOUNT_ANONYMOUS: "false" });

function mount(to: string, digest: string, from?: string, at = client): Promise<Answer> {
  const source = from === undefined ? "" : `&from=${encodeURIComponent(from)}`;
  return at.request("POST", `/v2/${to}/blobs/uploads/?mount=${digest}${source}`, { body: "" });
}

/** The response is that of a new session: the client sends the blob. */
async function assertSession(answer: Answer, at = client): Promise<void> {
  assert.equal(answer.status, 202, answer.body.toString());
  assert.equal((await at.get(locationOf(answer))).status, 204);
  await at.delete(locationOf(answer));
}

for (const algorithm of ["sha256", "sha512", "blake3"] as const) {
  for (const [what, named] of [
    ["from a repository that has it", true],
    ["from no particular repository", false],
  ] as const) {
    test(`a ${algorithm} blob is mounted ${what}`, async () => {
      const [from, to] = [newName("from"), newName("to/below")];
      const blob = blobOf(500, algorithm);
      await client.pushBlobs(from, blob);
      const answer = await mount(to, blob.digest, named ? from : undefined);
      assert.equal(answer.status, 201, answer.body.toString());
      assert.equal(locationOf(answer), `/v2/${to}/blobs/${blob.digest}`);
      assert.equal(answer.headers["docker-content-digest"], blob.digest);
      assert.ok((await client.get(locationOf(answer))).body.equals(blob.bytes));
      const head = await client.head(locationOf(answer));
      assert.equal(head.headers["content-length"], "500");
    });
  }
}

test("a mounted blob stays when it is deleted from its source", async () => {
  const [from, to] = [newName("from"), newName("to")];
  const blob = blobOf(500);
  await client.pushBlobs(from, blob);
  await mount(to, blob.digest, from);
  assert.equal((await client.delete(`/v2/${from}/blobs/${blob.digest}`)).status, 202);
  assert.ok((await client.get(`/v2/${to}/blobs/${blob.digest}`)).body.equals(blob.bytes));
  await assertSession(await mount(newName(), blob.digest, from));
});

test("mounting an existing blob, also from its own repository, succeeds", async () => {
  const name = newName();
  const blob = blobOf(500);
  await client.pushBlobs(name, blob);
  for (const from of [name, undefined]) {
    assert.equal((await mount(name, blob.digest, from)).status, 201);
  }
});

test("all of many concurrent mounts of one blob into one repository succeed", async () => {
  const [from, to] = [newName("from"), newName("to")];
  const blob = blobOf(500);
  await client.pushBlobs(from, blob);
  const answers = await Promise.all(Array.from({ length: 20 }, () => mount(to, blob.digest, from)));
  for (const answer of answers) assert.equal(answer.status, 201);
});

test("a failed mount starts a session instead, and leaves nothing else", async () => {
  const somebody = newName();
  const blob = blobOf(500);
  await client.pushBlobs(somebody, blob);
  const missing = blobOf(10).digest;
  await leavesNothing(gantry.root, async () => {
    await assertSession(await mount(newName(), missing, somebody));
    await assertSession(await mount(newName(), missing));
    await assertSession(await mount(newName(), blob.digest, newName("nobody")));
  });
});

test("the session started by a failed mount receives the blob", async () => {
  const name = newName();
  const blob = blobOf(500);
  const answer = await mount(name, blob.digest, newName("nobody"));
  assert.equal((await client.close(locationOf(answer), blob.digest, blob.bytes)).status, 201);
});

test("if anonymous mounts are disabled, a source must be named", async () => {
  const [from, to] = [newName("from"), newName("to")];
  const blob = blobOf(500);
  await strict.client.pushBlobs(from, blob);
  await assertSession(await mount(to, blob.digest, undefined, strict.client), strict.client);
  await assertSession(await mount(to, blob.digest, "", strict.client), strict.client);
  assert.equal((await mount(to, blob.digest, from, strict.client)).status, 201);
});

const known = blobOf(500);
await client.pushBlobs(newName(), known);
const hex = "a".repeat(96);
for (const digest of ["", "sha256:abc", "latest", `${known.digest}/../x`, `sha384:${hex}`, "md5:00", "\0"]) {
  test(`a mount of the invalid digest "${digest.slice(0, 20)}" starts a session`, async () => {
    for (const from of [newName(), undefined])
      await assertSession(await mount(newName(), encodeURIComponent(digest), from));
  });
}
// The blob is not searched elsewhere either: the client did not ask for that.
const foreign = ["Team/App", "host:5000/x", "a".repeat(256), "../..", "a//b", "a/", "_a", "a\0", "%2e%2e/x"];
for (const from of foreign) {
  test(`a mount from the invalid name "${from.slice(0, 20)}" starts a session`, async () => {
    await assertSession(await mount(newName(), known.digest, from));
  });
}

test("a mount into an invalid repository is refused", async () => {
  assertError(await mount("UPPER", known.digest, newName()), 400, "NAME_INVALID");
});
