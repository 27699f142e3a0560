// Invalid names, references and manifests: a clear error, nothing stored, the server alive.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, serve } from "../support/client.js";
import {
  blobOf,
  descriptorOf,
  dockerImage,
  image,
  index,
  manifestOf,
  newName,
  types,
} from "../support/content.js";
import { leavesNothing, storedByRequests } from "../support/store.js";

const { client, gantry } = await serve();
const sparse = await serve({ REGISTRY_VALIDATION_MANIFESTS_SPARSE: "true" });
const home = newName();
const good = image();
await client.pushImage(home, good, "latest");
const stored = await storedByRequests(gantry.root);
const { digest } = blobOf(10);
const session = "00000000-0000-4000-8000-000000000000";

const badNames = [
  "UPPER",
  "a/B",
  "-a",
  "a-",
  "a/-b",
  "_a",
  "a_",
  "a___b",
  "a..b",
  ".a",
  "a/.",
  "a/..",
  "..",
  "../..",
  "a/../b",
  "a//b",
  "/a",
  "a/",
  "a%252Fb",
  "a%2F%2Fb",
  "a%2F..%2F..%2Fb",
  "%2e%2e",
  "a%00",
  "a%0A",
  "a b".replace(" ", "%20"),
  "a:b",
  "a@b",
  "a~b",
  "a+b",
  "%C3%A9",
  "a\\b",
  "sha256:00",
  "a".repeat(256),
  `${"a/".repeat(200)}a`,
];
const endpoints: readonly [method: string, tail: string][] = [
  ["GET", "tags/list"],
  ["GET", "manifests/latest"],
  ["PUT", "manifests/latest"],
  ["DELETE", "manifests/latest"],
  ["GET", `blobs/${digest}`],
  ["HEAD", `blobs/${digest}`],
  ["DELETE", `blobs/${digest}`],
  ["POST", "blobs/uploads/"],
  ["POST", `blobs/uploads/?digest=${good.blobs[0]?.digest}`],
  ["POST", `blobs/uploads/?mount=${good.blobs[0]?.digest}&from=${home}`],
  ["PATCH", `blobs/uploads/${session}`],
  ["PUT", `blobs/uploads/${session}?digest=${digest}`],
  ["GET", `referrers/${digest}`],
];
for (const name of badNames) {
  test(`the name "${name.slice(0, 40)}" is refused by every endpoint`, async () => {
    for (const [method, tail] of endpoints) {
      const body = method === "PUT" ? good.bytes : (good.blobs[0]?.bytes ?? "");
      const headers: Record<string, string> = tail.startsWith("manifests")
        ? { "Content-Type": good.mediaType }
        : {};
      const answer = await client.request(method, `/v2/${name}/${tail}`, {
        headers,
        ...(method !== "GET" && method !== "HEAD" && { body }),
      });
      if (method === "HEAD") assert.equal(answer.status, 400);
      else assertError(answer, 400, "NAME_INVALID");
    }
    assert.deepEqual(await storedByRequests(gantry.root), stored);
  });
}

const badTags = [
  "-a",
  ".a",
  "..",
  "a%252Fb",
  "a%2F%2Fb",
  "..%2F..%2Fx",
  "%2e%2e%2fx",
  "a%00",
  "a%0A",
  "a%20b",
  "a+b",
  "a@b",
  "é",
  "%C3%A9",
  "a".repeat(129),
  "a".repeat(3000),
].map((tag) => encodeURI(decodeURI(tag)));
for (const tag of badTags) {
  test(`the tag "${tag.slice(0, 40)}" cannot be pushed, and is unknown`, async () => {
    const path = `/v2/${home}/manifests/${tag}`;
    const options = { body: good.bytes, headers: { "Content-Type": good.mediaType } };
    assertError(await client.request("PUT", path, options), 400, "MANIFEST_INVALID");
    assertError(await client.get(path), 404, "MANIFEST_UNKNOWN");
    assertError(await client.delete(path), 404, "MANIFEST_UNKNOWN");
    assert.deepEqual(await storedByRequests(gantry.root), stored);
  });
}

for (const bad of [
  "sha256:",
  "sha256:abc",
  "md5:0123",
  ":",
  "a:b",
  `${digest}0`,
  `${digest}%00`,
  "SHA256:00",
]) {
  test(`the digest "${bad.slice(0, 20)}…" is refused by every endpoint`, async () => {
    const paths = [`blobs/${bad}`, `manifests/${bad}`, `referrers/${bad}`].map(
      (tail) => `/v2/${home}/${tail}`,
    );
    for (const path of paths) assertError(await client.get(path), 400, "DIGEST_INVALID");
    for (const path of paths.slice(0, 2)) assertError(await client.delete(path), 400, "DIGEST_INVALID");
    const options = { body: good.bytes, headers: { "Content-Type": good.mediaType } };
    assertError(await client.request("PUT", paths[1] ?? "", options), 400, "DIGEST_INVALID");
  });
}

test("a blob cannot be requested by a tag", async () => {
  assertError(await client.get(`/v2/${home}/blobs/latest`), 400, "DIGEST_INVALID");
});

test("a path with invalid percent-encoded UTF-8 is refused", async () => {
  for (const bad of ["%", "%zz", "%C3", "%ff%fe"]) {
    for (const tail of ["manifests/", "blobs/", "referrers/", "blobs/uploads/"]) {
      const answer = await client.get(`/v2/${home}/${tail}${bad}`);
      assertError(answer, 400, "UNSUPPORTED");
    }
  }
});

test("a too long path is refused, and the next request is served", async () => {
  assertError(await client.get(`/v2/${"a/".repeat(3000)}tags/list`), 414, "UNSUPPORTED");
  assertError(await client.get(`/v2/${home}/manifests/${"a".repeat(5000)}`), 414, "UNSUPPORTED");
  assert.equal((await client.get("/v2/")).status, 200);
});

const sound = descriptorOf(good.blobs[0] ?? blobOf(1), types.config);
const fields = { schemaVersion: 2, mediaType: types.manifest, config: sound, layers: [] };
const schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
/** With the type of an OCI image unless named; `""` means no Content-Type at all. */
const badManifests: readonly [what: string, body: string | Uint8Array, contentType?: string][] = [
  ["empty", ""],
  ["no JSON", "{"],
  ["no UTF-8", Buffer.from([0x7b, 0xff, 0x7d])],
  ["a number", "1"],
  ["null", "null"],
  ["a list", "[]"],
  ["an object with other fields", '{"hello":"world"}'],
  ["a config", JSON.stringify({ architecture: "amd64", os: "linux" }), types.config],
  ["with another Content-Type than its mediaType", good.bytes, types.index],
  ["a Docker manifest under OCI's type", dockerImage().bytes, types.manifest],
  ["JSON without a manifest's type", good.bytes, "application/json"],
  ["manifest and index in one", manifestOf({ ...fields, manifests: [] }).bytes],
  ["index and manifest in one", index([], { config: sound, layers: [] }).bytes, types.index],
  ["both without a type", manifestOf({ ...fields, mediaType: undefined, manifests: [] }).bytes, ""],
  ["Docker's schema 1", JSON.stringify({ schemaVersion: 1, name: "a", tag: "b", fsLayers: [] }), schema1],
  ["Docker's schema 1 without its type", JSON.stringify({ schemaVersion: 1, fsLayers: [] }), ""],
  ["without a config", manifestOf({ ...fields, config: undefined }).bytes],
  ["with a config of the wrong size", manifestOf({ ...fields, config: { ...sound, size: 1 } }).bytes],
  ["with a layer that is text", manifestOf({ ...fields, layers: ["sha256:00"] }).bytes],
  ["with a bad digest", manifestOf({ ...fields, layers: [{ ...sound, digest: "sha256:00" }] }).bytes],
  ["with a digest that is a path", manifestOf({ ...fields, config: { ...sound, digest: "../../x" } }).bytes],
  ["with an invalid subject", manifestOf({ ...fields, subject: { digest: "x" } }).bytes],
  ["with numbers as annotations", manifestOf({ ...fields, annotations: { a: 1 } }).bytes],
  [
    "an index whose child has the wrong size",
    index([], { manifests: [{ ...sound, size: 2 ** 60 }] }).bytes,
    types.index,
  ],
  ["nested without end", "[".repeat(1_000_000)],
];
for (const [what, body, contentType = types.manifest] of badManifests) {
  test(`a manifest that is ${what} gets 400 and is not stored, by tag and by digest`, async () => {
    for (const reference of ["bad", manifestDigest(body), `${manifestDigest(body)}?tag=bad`]) {
      assertError(
        await client.putManifest(home, reference, body, contentType || undefined),
        400,
        "MANIFEST_INVALID",
      );
    }
    assert.deepEqual(await storedByRequests(gantry.root), stored);
  });
}

function manifestDigest(body: string | Uint8Array): string {
  return blobOf(body instanceof Uint8Array ? Buffer.from(body).toString("latin1") : body).digest;
}

test("an error cuts a media type as long as a manifest", async () => {
  for (const contentType of [types.manifest, ""]) {
    const body = JSON.stringify({ schemaVersion: 2, mediaType: "x".repeat(1_000_000) });
    const answer = await client.putManifest(home, "bad", body, contentType || undefined);
    assertError(answer, 400, "MANIFEST_INVALID");
    assert.ok(answer.body.length < 1000);
  }
});

test("the refusal of schema 1 says what to do", async () => {
  const body = JSON.stringify({ schemaVersion: 1, name: "a", tag: "b", fsLayers: [] });
  const answer = await client.putManifest(home, "old", body, schema1);
  assertError(answer, 400, "MANIFEST_INVALID");
  assert.match(answer.body.toString(), /schema 1/);
});

test("a manifest pushed with another content's digest gets 400 and is not stored", async () => {
  const made = image({ config: sound, layers: [] });
  for (const reference of [digest, blobOf(1, "sha512").digest, blobOf(1, "blake3").digest]) {
    assertError(await client.putManifest(home, reference, made.bytes, made.mediaType), 400, "DIGEST_INVALID");
  }
  assert.deepEqual(await storedByRequests(gantry.root), stored);
});

test("a manifest that names missing content gets 400 MANIFEST_BLOB_UNKNOWN and is not stored", async () => {
  for (const made of [image(), dockerImage(), index([image()]), image({ subject: sound })]) {
    const answer = await client.putManifest(home, "bad", made.bytes, made.mediaType);
    assertError(answer, 400, "MANIFEST_BLOB_UNKNOWN");
  }
  const thousands = image({
    layers: Array.from({ length: 3000 }, () => descriptorOf(blobOf(1), types.layer)),
  });
  const answer = await client.putManifest(home, "bad", thousands.bytes, thousands.mediaType);
  assertError(answer, 400, "MANIFEST_BLOB_UNKNOWN");
  assert.ok(answer.body.length < 100_000, "thousands of errors are not listed one by one");
  assert.deepEqual(await storedByRequests(gantry.root), stored);
});

test("sparse manifests are checked for everything except their content", async () => {
  await leavesNothing(sparse.gantry.root, async () => {
    for (const [, body, contentType = types.manifest] of badManifests.slice(0, 10)) {
      assertError(await sparse.client.putManifest(home, "bad", body, contentType), 400, "MANIFEST_INVALID");
    }
  });
});

const limit = 4 * 1024 * 1024;

/** A valid manifest of exactly this many bytes. */
function manifestOfSize(size: number): Buffer {
  const bare = { ...fields, annotations: { filler: "" } };
  const filler = "x".repeat(size - JSON.stringify(bare).length);
  return Buffer.from(JSON.stringify({ ...fields, annotations: { filler } }));
}

test("a manifest of 4 MiB is accepted", async () => {
  const name = newName();
  await client.pushBlobs(name, ...good.blobs);
  const bytes = manifestOfSize(limit);
  assert.equal(bytes.length, limit);
  const answer = await client.putManifest(name, "large", bytes, types.manifest);
  assert.equal(answer.status, 201, answer.body.toString());
  assert.ok((await client.get(`/v2/${name}/manifests/large`)).body.equals(bytes));
});

test("a manifest with one byte more gets 413, however it is sent, and is not stored", async () => {
  const name = newName();
  await client.pushBlobs(name, ...good.blobs);
  const bytes = manifestOfSize(limit + 1);
  const headers = { "Content-Type": types.manifest };
  await leavesNothing(gantry.root, async () => {
    const path = `/v2/${name}/manifests/large`;
    assertError(await client.request("PUT", path, { headers, body: bytes }), 413, "SIZE_INVALID");
    const pieces = [bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)];
    assertError(await client.request("PUT", path, { headers, pieces }), 413, "SIZE_INVALID");
  });
  assert.equal((await client.get("/v2/")).status, 200);
});

test("afterwards the server serves as before", async () => {
  assert.ok((await client.get(`/v2/${home}/manifests/latest`)).body.equals(good.bytes));
  assert.deepEqual((await client.get(`/v2/${home}/tags/list`)).json(), { name: home, tags: ["latest"] });
  assert.doesNotMatch(gantry.log(), /request failed/);
});
