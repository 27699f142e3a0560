// A path is the same in any encoding: for routes, gate and logs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, Client, locationOf, serve } from "../support/client.js";
import { blobOf, image } from "../support/content.js";
import { basic, LoginFiles, tokenFor } from "../support/login.js";
import { eventually } from "../support/store.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's password", bob: "bob's password" });
await files.policy(`rules:
  - { repositories: "team/app", users: alice, allow: [pull, push, delete] }
  - { repositories: "team", users: bob, allow: [pull, push, delete] }
  - { repositories: "public/**", anonymous: true, allow: pull }
`);
const { gantry } = await serve({ ...files.settings, REGISTRY_LOG_ACCESSLOG_DISABLED: "false" });
const alice = new Client(gantry.url, 4, {}, basic("alice", "alice's password"));
const bob = new Client(gantry.url, 4, {}, basic("bob", "bob's password"));
const nobody = new Client(gantry.url, 4);

const made = image();
await alice.pushImage("team/app", made, "latest");
const digest = made.blobs[0]?.digest ?? "";

const names = ["team/app", "team%2Fapp", "team%2fapp", "%74eam/app", "%74%65%61%6D%2F%61%70%70"];
for (const name of names) {
  test(`${name} is team/app`, async () => {
    const list = await alice.get(`/v2/${name}/tags/list`);
    assert.equal(list.status, 200);
    assert.deepEqual(list.json(), { name: "team/app", tags: ["latest"] });
    const manifest = await alice.get(`/v2/${name}/manifests/%6catest`);
    assert.ok(manifest.body.equals(made.bytes));
    assert.equal((await alice.head(`/v2/${name}/blobs/${digest.replace(":", "%3A")}`)).status, 200);
    assert.equal((await alice.get(`/%76%32/${name}%2Ftags/l%69st`)).status, 200);
  });

  test(`a push to ${name} is one to team/app`, async () => {
    const blob = blobOf(100);
    const location = await alice.openUpload(name);
    assert.match(location, /^\/v2\/team\/app\/blobs\/uploads\//);
    const answer = await alice.close(location, blob.digest.replace(":", "%3A"), blob.bytes);
    assert.equal(answer.status, 201, answer.body.toString());
    assert.equal(locationOf(answer), `/v2/team/app/blobs/${blob.digest}`);
    const put = await alice.putManifest(name, "tag%2D1", made.bytes, made.mediaType);
    assert.equal(locationOf(put), `/v2/team/app/manifests/${made.digest}`);
    assert.equal((await alice.delete(`/v2/${name}/manifests/tag-1`)).status, 202);
  });

  test(`a caller who may not pull from team/app may not from ${name}`, async () => {
    assertError(await bob.get(`/v2/${name}/tags/list`), 403, "DENIED");
    assertError(await nobody.get(`/v2/${name}/tags/list`), 401, "UNAUTHORIZED");
    const token = await tokenFor(bob, basic("bob", "bob's password"), "repository:team:pull");
    const headers = { Authorization: `Bearer ${token}` };
    assertError(await nobody.get(`/v2/${name}/tags/list`, headers), 403, "DENIED");
  });
}

const never = [
  ...["public/%2e%2e/team/app", "public%2F..%2Fteam%2Fapp", "public/..%2fteam/app", "public/.%2e/team/app"],
  ...[
    "team%252Fapp",
    "team%2F%2Fapp",
    "team/app%00",
    "team%00/app",
    "team%5Capp",
    "team/app%20",
    "%2Fteam/app",
  ],
];
for (const name of never) {
  test(`${name} is not a repository, and reveals nothing`, async () => {
    for (const client of [alice, nobody])
      assertError(await client.get(`/v2/${name}/tags/list`), 400, "NAME_INVALID");
    assertError(await alice.request("POST", `/v2/${name}/blobs/uploads/`, { body: "" }), 400, "NAME_INVALID");
  });
}

test("a mount accepts its source encoded in a query", async () => {
  const blob = blobOf(50);
  await alice.pushBlobs("team/app", blob);
  const query = `mount=${blob.digest.replace(":", "%3a")}&from=%74eam%2Fapp`;
  const answer = await alice.request("POST", `/v2/team%2Fapp/blobs/uploads/?${query}`, { body: "" });
  assert.equal(answer.status, 201, answer.body.toString());
});

test("a response with letters beyond ASCII has all of its bytes", async () => {
  await alice.pushImage("team/app", image(), "v1");
  for (const n of ["é", "…"]) {
    const answer = await alice.get(`/v2/team/app/tags/list?n=${encodeURIComponent(n)}`);
    assertError(answer, 400, "PAGINATION_NUMBER_INVALID");
    assert.match(answer.body.toString(), new RegExp(`"n":"${n}"`));
  }
});

test("the access log has the decoded path and name, or the path as sent if it cannot be decoded", async () => {
  await alice.get("/v2/team%2Fapp/manifests/l%61test");
  await alice.get("/v2/%1b%5b31m%0aevil/tags/list");
  const line = (part: string) =>
    gantry
      .log()
      .split("\n")
      .find((one) => one.includes(part));
  const seen = await eventually("the line", async () => line('"path":"/v2/team/app/manifests/latest"'), 5000);
  assert.equal(JSON.parse(seen).repository, "team/app");
  const odd = await eventually("the other line", async () => line("evil"), 5000);
  assert.equal(JSON.parse(odd).path, "/v2/%1b%5b31m%0aevil/tags/list");
});
