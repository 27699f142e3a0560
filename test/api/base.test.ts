// end-1, the headers of every response, paths outside the API, and methods that a path does not allow.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, Client, serve } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";

const { client, gantry } = await serve();

for (const path of ["/v2/", "/v2"]) {
  test(`${path} shows that this is a registry`, async () => {
    const answer = await client.get(path);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["docker-distribution-api-version"], "registry/2.0");
    assert.equal(answer.headers["content-type"], "application/json");
    assert.deepEqual(answer.json(), {});
  });
}

for (const path of ["//", "/v1/", "/v2/a", "/v2/a/b/c", "/v2//tags/list", "/favicon.ico", "/v2/_catalog/x"]) {
  test(`the path ${path} is not part of the API`, async () => {
    assertError(await client.get(path), 404, "UNSUPPORTED");
  });
}

const digest = `sha256:${"0".repeat(64)}`;
const session = "00000000-0000-4000-8000-000000000000";
const wrongMethods: readonly [method: string, path: string, allowed: string[]][] = [
  ["POST", "/v2/", ["GET", "HEAD"]],
  ["PUT", `/v2/a/blobs/${digest}`, ["GET", "HEAD", "DELETE"]],
  ["PATCH", "/v2/a/manifests/latest", ["GET", "HEAD", "PUT", "DELETE"]],
  ["GET", "/v2/a/blobs/uploads/", ["POST"]],
  ["DELETE", "/v2/a/blobs/uploads/", ["POST"]],
  ["POST", `/v2/a/blobs/uploads/${session}`, ["GET", "HEAD", "PATCH", "PUT", "DELETE"]],
  ["DELETE", "/v2/a/tags/list", ["GET", "HEAD"]],
  ["PUT", `/v2/a/referrers/${digest}`, ["GET", "HEAD"]],
  ["POST", "/v2/_catalog", ["GET", "HEAD"]],
  ["POST", "/", ["GET", "HEAD"]],
];
for (const [method, path, allowed] of wrongMethods) {
  test(`${method} ${path.slice(0, 40)} gets 405 with the allowed methods`, async () => {
    const answer = await client.request(method, path, { body: "x" });
    assertError(answer, 405, "UNSUPPORTED");
    assert.deepEqual(answer.list("allow").sort(), [...allowed, "OPTIONS"].sort());
  });

  test(`OPTIONS ${path.slice(0, 40)} lists the allowed methods`, async () => {
    const answer = await client.request("OPTIONS", path);
    assert.deepEqual([answer.status, answer.body.length], [200, 0]);
    assert.deepEqual(answer.list("allow").sort(), [...allowed, "OPTIONS"].sort());
  });
}

test("OPTIONS of a path outside the API is as unknown as GET", async () => {
  assertError(await client.request("OPTIONS", "/v2/a/b/c"), 404, "UNSUPPORTED");
});

for (const method of ["GET", "HEAD"]) {
  test(`${method} / shows that the server is alive, and the page if there is one`, async () => {
    const answer = await client.request(method, "/");
    assert.deepEqual([answer.status, answer.body.length > 0], [200, method === "GET"]);
    assert.equal(answer.headers["content-type"], "text/html; charset=utf-8");
    await using without = await startInside({ REGISTRY_HTTP_UI_ENABLED: "false" });
    const plain = await new Client(without.url).request(method, "/");
    assert.deepEqual([plain.status, plain.body.length], [200, 0]);
    assert.equal(plain.headers["cache-control"], "no-cache");
  });
}

test("a connection stays open after HEADs, refusals, and responses without body", async () => {
  const name = newName();
  const one = new Client(gantry.url, 1);
  const picture = image();
  await one.pushImage(name, picture, "latest");
  const [blob] = picture.blobs;
  assert.ok(blob !== undefined);
  for (let round = 0; round < 3; round++) {
    const head = await one.head(`/v2/${name}/blobs/${blob.digest}`);
    assert.deepEqual([head.status, head.headers["content-length"]], [200, String(blob.bytes.length)]);
    const manifest = await one.head(`/v2/${name}/manifests/latest`);
    assert.deepEqual(
      [manifest.status, manifest.headers["content-length"]],
      [200, String(picture.bytes.length)],
    );
    assert.equal((await one.head(`/v2/${name}/manifests/none`)).status, 404);
    assert.equal((await one.head("/v2/")).status, 200);
    assert.equal((await one.head("/nothing")).status, 404);
    const same: Record<string, string> = { "If-None-Match": `"${blob.digest}"` };
    assert.equal((await one.get(`/v2/${name}/blobs/${blob.digest}`, same)).status, 304);
    assert.equal((await one.head(`/v2/${name}/blobs/${blob.digest}`, same)).status, 304);
    assert.equal((await one.head(await one.openUpload(name))).status, 204);
    assert.deepEqual((await one.get(`/v2/${name}/blobs/${blob.digest}`)).body, blob.bytes);
  }
});

test("a connection stays open after an unread body", async () => {
  const one = new Client(gantry.url, 1);
  const { bytes } = blobOf(300_000);
  const name = newName();
  await one.pushImage(name, image(), "latest");
  const there = blobOf(10);
  await one.pushBlobs(name, there);
  const unwanted: readonly [method: string, path: string, status: number][] = [
    ["GET", "/v2/", 200],
    ["POST", "/nothing", 404],
    ["POST", "/v2/", 405],
    ["PUT", "/v2/UPPER/manifests/latest", 400],
    ["PATCH", `/v2/a/blobs/uploads/${session}`, 404],
    ["POST", `/v2/${name}/blobs/uploads/`, 202],
    ["POST", `/v2/${newName()}/blobs/uploads/?mount=${there.digest}&from=${name}`, 201],
    ["DELETE", `/v2/${name}/manifests/latest`, 202],
  ];
  for (const [method, path, status] of unwanted) {
    assert.equal((await one.request(method, path, { body: bytes })).status, status, `${method} ${path}`);
    assert.equal((await one.get("/v2/")).status, 200, `after ${method} ${path}`);
  }
});
