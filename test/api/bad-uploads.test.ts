// Inconsistent uploads: a clear error, nothing stored, and the upload unchanged if it can continue.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { type Answer, assertError, locationOf, serve, withQuery } from "../support/client.js";
import { blobOf, digestOf, newName } from "../support/content.js";
import { eventually, leavesNothing, storedBelow } from "../support/store.js";

const { client, gantry } = await serve();
const content = blobOf(1000);
const { bytes } = content;
const other = blobOf(1000);

const badDigests: readonly [what: string, digest: string][] = [
  ["of other bytes", other.digest],
  ["of other bytes by sha512", digestOf(other.bytes, "sha512")],
  ["of other bytes by blake3", digestOf(other.bytes, "blake3")],
  ["in capitals", content.digest.toUpperCase()],
  ["a digit short", content.digest.slice(0, -1)],
  ["a digit long", `${content.digest}0`],
  ["without an algorithm", content.digest.slice("sha256:".length)],
  ["of an unknown algorithm", `md5:${"0".repeat(32)}`],
  ["empty", ""],
  ["a path", "../../../etc/passwd"],
  ["a path after an algorithm", "sha256:..%2F..%2Fx"],
  ["with a NUL", `${content.digest}%00`],
  ["with a line break", `${content.digest}%0A`],
  ["very long", `sha256:${"0".repeat(3000)}`],
];
for (const [what, digest] of badDigests) {
  test(`a digest that is ${what} gets 400 for every kind of closing request, and nothing is stored`, async () => {
    const name = newName();
    await leavesNothing(gantry.root, async () => {
      const single = await client.request("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, {
        body: bytes,
      });
      assertError(single, 400, "DIGEST_INVALID");
      const whole = await client.openUpload(name);
      assertError(await client.close(whole, digest, bytes), 400, "DIGEST_INVALID");
      const patched = await client.patch(await client.openUpload(name), bytes);
      assertError(await client.close(locationOf(patched), digest), 400, "DIGEST_INVALID");
    });
    assertError(await client.get(`/v2/${name}/blobs/${content.digest}`), 404, "BLOB_UNKNOWN");
  });
}

test("a PUT without a digest gets 400 and the upload can continue", async () => {
  const name = newName();
  const location = locationOf(await client.patch(await client.openUpload(name), bytes));
  assertError(await client.request("PUT", location, { body: "" }), 400, "DIGEST_INVALID");
  assert.equal((await client.get(location)).headers.range, "0-999");
  assert.equal((await client.close(location, content.digest)).status, 201);
});

test("an unknown algorithm is refused when the upload is opened", async () => {
  for (const algorithm of ["md5", "SHA256", "", "sha256%00", "constructor", "x".repeat(1000)]) {
    const path = `/v2/${newName()}/blobs/uploads/?digest-algorithm=${algorithm}`;
    assertError(await client.request("POST", path, { body: "" }), 400, "DIGEST_INVALID");
  }
});

/** An upload with the first 100 bytes. */
async function begun(name: string): Promise<string> {
  const answer = await client.patch(await client.openUpload(name), bytes.subarray(0, 100), {
    "Content-Range": "0-99",
  });
  assert.equal(answer.status, 202);
  return locationOf(answer);
}

const badRanges: readonly [what: string, range: string, status: number, code: string][] = [
  ["overlaps existing bytes", "50-149", 416, "BLOB_UPLOAD_INVALID"],
  ["begins anew", "0-99", 416, "BLOB_UPLOAD_INVALID"],
  ["skips a byte", "101-200", 416, "BLOB_UPLOAD_INVALID"],
  ["lies far behind", "99999999-100000098", 416, "BLOB_UPLOAD_INVALID"],
  ["is longer than its body", "100-299", 400, "SIZE_INVALID"],
  ["is shorter than its body", "100-150", 400, "SIZE_INVALID"],
  ["ends before it begins", "100-99", 400, "BLOB_UPLOAD_INVALID"],
  ["has no end", "100-", 400, "BLOB_UPLOAD_INVALID"],
  ["is negative", "-100", 400, "BLOB_UPLOAD_INVALID"],
  ["is no number", "a-b", 400, "BLOB_UPLOAD_INVALID"],
  ["is too large for a number", `100-${"9".repeat(40)}`, 400, "BLOB_UPLOAD_INVALID"],
];
for (const [what, range, status, code] of badRanges) {
  for (const [method, streamed] of [
    ["PATCH", false],
    ["PATCH", true],
    ["PUT", false],
    ["PUT", true],
  ] as const) {
    test(`a ${streamed ? "streamed " : ""}${method} whose Content-Range ${what} gets ${status} and changes nothing`, async () => {
      const name = newName();
      const location = await begun(name);
      const headers = { "Content-Range": range };
      const piece = bytes.subarray(100, 200);
      const body = streamed ? { pieces: [piece.subarray(0, 30), piece.subarray(30)] } : { body: piece };
      const path = method === "PUT" ? withQuery(location, `digest=${content.digest}`) : location;
      const answer = await leavesNothing(gantry.root, () =>
        client.request(method, path, { ...body, headers }),
      );
      assertError(answer, status, code);
      if (status === 416) {
        assert.equal(answer.headers.range, "0-99", "it says where to continue");
        assert.equal(locationOf(answer), location);
      }
      assert.equal((await client.get(location)).headers.range, "0-99");
      const rest = await client.patch(location, bytes.subarray(100), { "Content-Range": "100-999" });
      assert.equal(rest.status, 202, rest.body.toString());
      assert.equal((await client.close(location, content.digest)).status, 201);
    });
  }
}

test("the first chunk must start at 0", async () => {
  const location = await client.openUpload(newName());
  for (const range of ["1-1000", "1000-1999"]) {
    assertError(await client.patch(location, bytes, { "Content-Range": range }), 416, "BLOB_UPLOAD_INVALID");
  }
  assert.equal((await client.patch(location, bytes, { "Content-Range": "0-999" })).status, 202);
});

test("a first chunk with a wrong length leaves an upload without bytes, which can continue", async () => {
  const location = await client.openUpload(newName());
  const pieces = [bytes.subarray(0, 500), bytes.subarray(500)];
  const headers = { "Content-Range": "0-1999" };
  assertError(await client.request("PATCH", location, { pieces, headers }), 400, "SIZE_INVALID");
  assert.equal((await client.get(location)).headers.range, "0-0");
  assert.equal((await client.close(location, content.digest, bytes)).status, 201);
});

test("a POST with a digest and a wrong range stores nothing", async () => {
  const path = `/v2/${newName()}/blobs/uploads/?digest=${content.digest}`;
  await leavesNothing(gantry.root, async () => {
    for (const [range, status, code] of [
      ["5-1004", 416, "BLOB_UPLOAD_INVALID"],
      ["0-1", 400, "SIZE_INVALID"],
      ["x", 400, "BLOB_UPLOAD_INVALID"],
    ] as const) {
      const answer = await client.request("POST", path, { body: bytes, headers: { "Content-Range": range } });
      assertError(answer, status, code);
    }
  });
});

type Use = (location: string) => Promise<Answer>;
const uses: Readonly<Record<string, Use>> = {
  status: (location) => client.get(location),
  chunk: (location) => client.patch(location, bytes.subarray(100)),
  close: (location) => client.close(location, content.digest, bytes.subarray(100)),
  cancel: (location) => client.delete(location),
};
for (const [what, use] of Object.entries(uses)) {
  test(`${what}: an upload does not exist in another repository, and is unchanged`, async () => {
    const name = newName();
    const location = await begun(name);
    for (const stranger of [newName(), `${name}/below`, name.slice(0, -1)]) {
      assertError(await use(location.replace(name, stranger)), 404, "BLOB_UPLOAD_UNKNOWN");
    }
    assert.equal((await client.get(location)).headers.range, "0-99");
    assert.equal((await client.close(location, content.digest, bytes.subarray(100))).status, 201);
  });

  test(`${what}: an upload that never existed is unknown`, async () => {
    for (const id of [randomUUID(), "x", "..", "%2E%2E", "a".repeat(500), "%00"]) {
      assertError(await use(`/v2/${newName()}/blobs/uploads/${id}`), 404, "BLOB_UPLOAD_UNKNOWN");
    }
    // Paths are decoded first: this one is not part of the API.
    assertError(await use(`/v2/${newName()}/blobs/uploads/..%2F..%2Fmanifests`), 404, "UNSUPPORTED");
  });
}

test("refused uploads leave no files behind", async () => {
  const name = newName();
  const wrong = await client.openUpload(name);
  assertError(await client.close(wrong, other.digest, bytes), 400, "DIGEST_INVALID");
  const single = `/v2/${name}/blobs/uploads/?digest=${other.digest}`;
  assertError(await client.request("POST", single, { body: bytes }), 400, "DIGEST_INVALID");
  const patched = await client.patch(await client.openUpload(name), bytes);
  assertError(await client.close(locationOf(patched), other.digest), 400, "DIGEST_INVALID");
  const ids = [wrong, locationOf(patched)].map((location) => location.slice(location.lastIndexOf("/") + 1));
  const gone = async () => {
    const left = await storedBelow(`${gantry.root}/uploads`);
    return ids.every((id) => !left.some((path) => path.includes(id))) ? true : undefined;
  };
  await eventually("their files are removed", gone);
});
