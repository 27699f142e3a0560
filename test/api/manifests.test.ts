// end-3 and end-7: manifests of every supported kind, by tag and by digest, byte for byte.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { assertError, locationOf, serve } from "../support/client.js";
import {
  blobOf,
  describe,
  descriptorOf,
  digestOf,
  dockerImage,
  type Image,
  image,
  index,
  manifestOf,
  newName,
  types,
} from "../support/content.js";

const { client } = await serve();
const sparse = await serve({ REGISTRY_VALIDATION_MANIFESTS_SPARSE: "true" });

async function assertPulled(name: string, reference: string, expected: Image, at = client): Promise<void> {
  const path = `/v2/${name}/manifests/${reference}`;
  for (let time = 0; time < 2; time++) {
    const answer = await at.get(path, { Accept: expected.mediaType });
    assert.equal(answer.status, 200, answer.body.toString());
    assert.ok(answer.body.equals(expected.bytes), "the bytes are the pushed ones");
    assert.equal(answer.headers["content-type"], expected.mediaType);
    assert.equal(answer.headers["docker-content-digest"], expected.digest);
    assert.equal(answer.headers["content-length"], String(expected.bytes.length));
    const head = await at.head(path);
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    for (const header of ["content-type", "docker-content-digest", "content-length", "etag"]) {
      assert.equal(head.headers[header], answer.headers[header], header);
    }
  }
}

const kinds: readonly [what: string, make: () => Image][] = [
  ["an OCI image of two layers", () => image({ layers: 2 })],
  ["an OCI image without layers", () => image({ layers: 0 })],
  ["an OCI image without a stated type", () => ({ ...image({ mediaType: undefined }) })],
  ["a Docker image of schema 2", () => dockerImage()],
  ["an image with an artifact type", () => image({ artifactType: "application/vnd.example.thing" })],
  ["an image with annotations", () => image({ annotations: { "org.example": "é\u0000\ud83d\ude00" } })],
  ["an image with its own fields", () => image({ "com.example": { deep: [1, null, "x"] }, newField: 1.5 })],
  ["an empty index", () => index([])],
  ["an index whose list is null, as Go writes it", () => index([], { manifests: null })],
  ["an index with an artifact type", () => index([], { artifactType: "application/vnd.example.bundle" })],
];
for (const [what, make] of kinds) {
  test(`${what} is pushed and pulled, by tag and by digest`, async () => {
    const name = newName();
    const made = make();
    const pushed = await client.pushImage(name, made, "v1");
    assert.equal(pushed.headers["docker-content-digest"], made.digest);
    assert.equal(pushed.headers["oci-subject"], undefined);
    assert.equal((await client.get(locationOf(pushed))).status, 200);
    await assertPulled(name, "v1", made);
    await assertPulled(name, made.digest, made);
    const again = newName();
    await client.pushImage(again, made);
    await assertPulled(again, made.digest, made);
  });
}

test("indexes of images, of Docker images and of indexes are pushed after their content", async () => {
  const name = newName();
  const [oci, docker] = [image(), dockerImage()];
  await client.pushImage(name, oci);
  await client.pushImage(name, docker);
  const inner = index([oci, docker]);
  await client.pushImage(name, inner);
  const outer = index([inner, oci]);
  await client.pushImage(name, outer, "all");
  await assertPulled(name, "all", outer);
  const list = manifestOf({ schemaVersion: 2, mediaType: types.dockerList, manifests: [describe(docker)] });
  await client.pushImage(name, list, "list");
  await assertPulled(name, "list", list);
});

for (const algorithm of ["sha512", "blake3"] as const) {
  test(`a manifest is pushed by its ${algorithm} digest, and may name blobs by it`, async () => {
    const name = newName();
    const layer = blobOf(100, algorithm);
    const made = image({ layers: [descriptorOf(layer, types.layer)] });
    await client.pushBlobs(name, layer, ...made.blobs);
    const digest = digestOf(made.bytes, algorithm);
    const answer = await client.putManifest(name, `${digest}?tag=long`, made.bytes, made.mediaType);
    assert.equal(answer.status, 201, answer.body.toString());
    await assertPulled(name, digest, { ...made, digest });
    await assertPulled(name, "long", { ...made, digest });
  });
}

test("unusual JSON bytes are returned unchanged", async () => {
  const made = image();
  const name = newName();
  await client.pushBlobs(name, ...made.blobs);
  const bytes = Buffer.from(`\n {"x" : 1e0 ,  "y":"\\u0041\\/",${made.bytes.toString().slice(1)}\r\n\t`);
  const written = { ...made, bytes, digest: digestOf(bytes) };
  await client.pushImage(name, written, "odd");
  await assertPulled(name, "odd", written);
});

test("a Content-Type is compared without its parameters, and may be missing", async () => {
  const name = newName();
  const made = image();
  await client.pushBlobs(name, ...made.blobs);
  for (const type of [`${made.mediaType}; charset=utf-8`, `${made.mediaType};`, undefined]) {
    assert.equal((await client.putManifest(name, "latest", made.bytes, type)).status, 201, type);
    await assertPulled(name, "latest", made);
  }
});

test("the only representation is sent whatever Accept says", async () => {
  const name = newName();
  const made = image();
  await client.pushImage(name, made, "latest");
  for (const Accept of [
    types.index,
    "text/html",
    "*/*",
    `${types.dockerManifest}, ${types.manifest};q=0.5`,
  ]) {
    const answer = await client.get(`/v2/${name}/manifests/latest`, { Accept });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], made.mediaType);
  }
});

test("a client that has the manifest gets 304, until the tag moves", async () => {
  const name = newName();
  const [first, second] = [image(), image()];
  await client.pushImage(name, first, "latest");
  const path = `/v2/${name}/manifests/latest`;
  const etag = String((await client.get(path)).headers.etag);
  const unchanged = await client.get(path, { "If-None-Match": etag });
  assert.deepEqual([unchanged.status, unchanged.body.length], [304, 0]);
  assert.equal((await client.head(path, { "If-None-Match": etag })).status, 304);
  await client.pushImage(name, second, "latest");
  const changed = await client.get(path, { "If-None-Match": etag });
  assert.equal(changed.status, 200);
  assert.ok(changed.body.equals(second.bytes));
  await assertPulled(name, first.digest, first);
});

test("of many concurrent pushes of a tag, one wins completely", async () => {
  const name = newName();
  const images = Array.from({ length: 12 }, () => image());
  await Promise.all(images.map((made) => client.pushImage(name, made, "latest")));
  const head = await client.head(`/v2/${name}/manifests/latest`);
  const winner = images.find(({ digest }) => digest === head.headers["docker-content-digest"]);
  assert.ok(winner !== undefined);
  await assertPulled(name, "latest", winner);
  for (const made of images) await assertPulled(name, made.digest, made);
});

test("end-7b: a push by digest points all its tags and names each", async () => {
  const name = newName();
  const made = image();
  await client.pushBlobs(name, ...made.blobs);
  const tags = Array.from({ length: 20 }, (_, place) => `1.${place}`);
  const query = tags.map((tag) => `tag=${tag}`).join("&");
  const answer = await client.putManifest(name, `${made.digest}?${query}`, made.bytes, made.mediaType);
  assert.equal(answer.status, 201, answer.body.toString());
  assert.deepEqual(answer.list("OCI-Tag"), tags);
  for (const tag of tags) await assertPulled(name, tag, made);
});

test("end-7b: invalid tags, too many of them, or tags beside a tag are refused and none is created", async () => {
  const name = newName();
  const made = image();
  await client.pushBlobs(name, ...made.blobs);
  const put = (reference: string) => client.putManifest(name, reference, made.bytes, made.mediaType);
  const many = Array.from({ length: 101 }, (_, place) => `tag=t${place}`).join("&");
  assertError(await put(`${made.digest}?tag=good&tag=-bad`), 400, "MANIFEST_INVALID");
  assertError(await put(`${made.digest}?tag=`), 400, "MANIFEST_INVALID");
  assertError(await put("one?tag=two"), 400, "UNSUPPORTED");
  assertError(await put(`${made.digest}?${many}`), 414, "UNSUPPORTED");
  assertError(await client.get(`/v2/${name}/tags/list`), 404, "NAME_UNKNOWN");
});

test("missing manifests are unknown, by tag and by digest, in a known and in an unknown repository", async () => {
  const name = newName();
  await client.pushImage(name, image(), "latest");
  for (const repository of [name, newName("new")]) {
    for (const reference of ["none", blobOf(1).digest]) {
      assertError(await client.get(`/v2/${repository}/manifests/${reference}`), 404, "MANIFEST_UNKNOWN");
      assert.equal((await client.head(`/v2/${repository}/manifests/${reference}`)).status, 404);
    }
  }
});

test("embedded data is kept if it matches its descriptor, and refused otherwise", async () => {
  const name = newName();
  const config = blobOf("{}");
  await client.pushBlobs(name, config);
  const embed = (data: string, size = 2) =>
    image({ layers: [], config: { ...descriptorOf(config, types.config), size, data }, id: randomUUID() });
  const good = embed(config.bytes.toString("base64"));
  assert.equal((await client.putManifest(name, "good", good.bytes, good.mediaType)).status, 201);
  await assertPulled(name, "good", good);
  for (const bad of [embed("e30K", 3), embed("W10="), embed("???"), embed(""), embed("e30=", 3)]) {
    assertError(await client.putManifest(name, "bad", bad.bytes, bad.mediaType), 400, "MANIFEST_INVALID");
  }
  assertError(await client.get(`/v2/${name}/manifests/bad`), 404, "MANIFEST_UNKNOWN");
});

test("the embedded data of a subject must match its descriptor, too", async () => {
  const name = newName();
  const subject = { ...descriptorOf(blobOf("{}"), types.manifest), data: "W10=" };
  const made = image({ subject });
  await client.pushBlobs(name, ...made.blobs);
  assertError(await client.putManifest(name, "bad", made.bytes, made.mediaType), 400, "MANIFEST_INVALID");
});

test("non-distributable layers may be missing", async () => {
  const name = newName();
  const config = blobOf(randomUUID());
  await client.pushBlobs(name, config);
  const layers = [
    descriptorOf(blobOf(10), "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    descriptorOf(blobOf(10), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
  ];
  const made = image({ config: descriptorOf(config, types.config), layers });
  assert.equal((await client.putManifest(name, "windows", made.bytes, made.mediaType)).status, 201);
});

test("everything that a manifest names must be in the repository, and each missing object is named", async () => {
  const [name, other] = [newName(), newName()];
  const made = image({ layers: 3 });
  await client.pushImage(other, made);
  await client.pushBlobs(name, ...made.blobs.slice(0, 2));
  const answer = await client.putManifest(name, "latest", made.bytes, made.mediaType);
  assertError(answer, 400, "MANIFEST_BLOB_UNKNOWN");
  const { errors } = answer.json() as { errors: { code: string; detail: { digest: string } }[] };
  assert.deepEqual(
    errors.map(({ code, detail }) => [code, detail.digest]),
    made.blobs.slice(2).map(({ digest }) => ["MANIFEST_BLOB_UNKNOWN", digest]),
  );
  const list = index([made]);
  assertError(
    await client.putManifest(name, "latest", list.bytes, list.mediaType),
    400,
    "MANIFEST_BLOB_UNKNOWN",
  );
});

test("if sparse manifests are allowed, their content may be missing", async () => {
  const name = newName();
  for (const made of [image(), index([image(), dockerImage()]), dockerImage()]) {
    const answer = await sparse.client.putManifest(name, made.digest, made.bytes, made.mediaType);
    assert.equal(answer.status, 201, answer.body.toString());
    await assertPulled(name, made.digest, made, sparse.client);
  }
});
