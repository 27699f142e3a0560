// end-4, end-5, end-6, end-13, end-14: every way to push a blob stores the same blob.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, assertError, type Client, locationOf, serve } from "../support/client.js";
import { type Blob, blobOf, digestOf, newName } from "../support/content.js";
import { storedBelow } from "../support/store.js";

const { client, gantry } = await serve();

type Way = (client: Client, name: string, blob: Blob) => Promise<Answer>;

function cut(bytes: Buffer, pieces: number): Buffer[] {
  const size = Math.ceil(bytes.length / pieces) || 1;
  return Array.from({ length: pieces }, (_, place) =>
    bytes.subarray(place * size, (place + 1) * size),
  ).filter((piece) => piece.length > 0);
}

/** Sends all but the last piece by PATCH, and returns the location to continue and that piece. */
async function chunks(
  client: Client,
  location: string,
  pieces: readonly Buffer[],
): Promise<[string, number]> {
  let start = 0;
  let next = location;
  for (const piece of pieces) {
    const end = start + piece.length;
    const answer = await client.patch(next, piece, { "Content-Range": `${start}-${end - 1}` });
    assert.equal(answer.status, 202, answer.body.toString());
    assert.equal(answer.headers.range, `0-${end - 1}`);
    next = locationOf(answer);
    start = end;
  }
  return [next, start];
}

const ways: Readonly<Record<string, Way>> = {
  "POST with the digest": (client, name, { bytes, digest }) =>
    client.request("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, { body: bytes }),
  "POST with the digest, streamed": (client, name, { bytes, digest }) =>
    client.request("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, { pieces: cut(bytes, 3) }),
  "POST, PUT": async (client, name, { bytes, digest }) =>
    client.close(await client.openUpload(name), digest, bytes),
  "POST, PUT streamed": async (client, name, { bytes, digest }) =>
    client.request("PUT", `${await client.openUpload(name)}?digest=${digest}`, { pieces: cut(bytes, 3) }),
  "POST, PUT with its range": async (client, name, { bytes, digest }) => {
    const headers: Record<string, string> =
      bytes.length === 0 ? {} : { "Content-Range": `0-${bytes.length - 1}` };
    return client.close(await client.openUpload(name), digest, bytes, headers);
  },
  "POST, PATCH, PUT": async (client, name, { bytes, digest }) => {
    const patched = await client.patch(await client.openUpload(name), bytes);
    assert.equal(patched.status, 202);
    return client.close(locationOf(patched), digest);
  },
  "POST, PATCH streamed, PUT": async (client, name, { bytes, digest }) => {
    const location = await client.openUpload(name);
    const patched = await client.request("PATCH", location, { pieces: cut(bytes, 5) });
    assert.equal(patched.status, 202);
    if (bytes.length > 0) assert.equal(patched.headers.range, `0-${bytes.length - 1}`);
    return client.close(locationOf(patched), digest);
  },
  "POST, PATCHes without ranges, PUT": async (client, name, { bytes, digest }) => {
    let location = await client.openUpload(name);
    for (const piece of cut(bytes, 3)) location = locationOf(await client.patch(location, piece));
    return client.close(location, digest);
  },
  "POST, chunks, PUT": async (client, name, { bytes, digest }) => {
    const [location] = await chunks(client, await client.openUpload(name), cut(bytes, 4));
    return client.close(location, digest);
  },
  "POST, chunks, the last in the PUT": async (client, name, { bytes, digest }) => {
    const pieces = cut(bytes, 3);
    const last = pieces.pop() ?? Buffer.alloc(0);
    const [location, start] = await chunks(client, await client.openUpload(name), pieces);
    const headers: Record<string, string> =
      last.length === 0 ? {} : { "Content-Range": `${start}-${start + last.length - 1}` };
    return client.close(location, digest, last, headers);
  },
};

const algorithms = ["sha256", "sha512", "blake3"] as const;

for (const [way, push] of Object.entries(ways)) {
  for (const size of [0, 1, 5000, 1_200_000]) {
    test(`${way}: a blob of ${size} bytes is stored`, async () => {
      const name = newName();
      const blob = blobOf(size);
      const answer = await push(client, name, blob);
      assert.equal(answer.status, 201, answer.body.toString());
      assert.equal(answer.headers["docker-content-digest"], blob.digest);
      assert.equal(locationOf(answer), `/v2/${name}/blobs/${blob.digest}`);
      const pulled = await client.get(locationOf(answer));
      assert.ok(pulled.body.equals(blob.bytes));
    });
  }

  for (const algorithm of algorithms.slice(1)) {
    test(`${way}: a blob whose ${algorithm} digest is only known at the end is stored`, async () => {
      const name = newName();
      const blob = blobOf(3000, algorithm);
      const answer = await push(client, name, blob);
      assert.equal(answer.status, 201, answer.body.toString());
      assert.ok((await client.get(locationOf(answer))).body.equals(blob.bytes));
    });
  }
}

for (const algorithm of algorithms) {
  test(`an upload opened for ${algorithm} accepts a digest of it, and no other`, async () => {
    const name = newName();
    const blob = blobOf(3000, algorithm);
    const announced = () => client.openUpload(name, `?digest-algorithm=${algorithm}`);
    const patched = await client.patch(await announced(), blob.bytes);
    const answer = await client.close(locationOf(patched), blob.digest);
    assert.equal(answer.status, 201, answer.body.toString());
    assert.ok((await client.get(locationOf(answer))).body.equals(blob.bytes));
    const other = digestOf(blob.bytes, algorithm === "sha256" ? "sha512" : "sha256");
    for (const bytes of [new Uint8Array(), blob.bytes]) {
      assertError(await client.close(await announced(), other, bytes), 400, "DIGEST_INVALID");
    }
    const both = `?digest-algorithm=${algorithm}&digest=${other}`;
    assertError(
      await client.request("POST", `/v2/${name}/blobs/uploads/${both}`, { body: blob.bytes }),
      400,
      "DIGEST_INVALID",
    );
  });
}

test("a session has a location with a UUID, and reports the received bytes", async () => {
  const name = newName();
  const opened = await client.request("POST", `/v2/${name}/blobs/uploads/`, { body: "" });
  assert.equal(opened.status, 202);
  assert.match(locationOf(opened), /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/);
  assert.equal(opened.headers.range, "0-0");
  assert.equal(opened.headers["content-length"], "0");
  const uuid = String(opened.headers["docker-upload-uuid"]);
  assert.ok(locationOf(opened).includes(uuid));
  const patched = await client.patch(locationOf(opened), Buffer.alloc(1000));
  for (const method of ["GET", "HEAD"]) {
    const status = await client.request(method, locationOf(patched));
    assert.equal(status.status, 204);
    assert.equal(status.headers.range, "0-999");
    assert.equal(locationOf(status), locationOf(patched));
    assert.equal(status.headers["docker-upload-uuid"], uuid);
    assert.equal(status.headers["content-length"], undefined, "a 204 has no length");
  }
});

test("a session may be opened at the path without its last slash, too", async () => {
  const opened = await client.request("POST", `/v2/${newName()}/blobs/uploads`, { body: "" });
  assert.equal(opened.status, 202, opened.body.toString());
});

test("a canceled upload is removed with its bytes", async () => {
  const name = newName();
  const location = await client.openUpload(name);
  await client.patch(location, Buffer.alloc(5000));
  const id = location.slice(location.lastIndexOf("/") + 1);
  assert.ok((await storedBelow(gantry.root)).includes(`uploads/${id}`));
  const canceled = await client.delete(location);
  assert.equal(canceled.status, 204);
  assert.equal(canceled.body.length, 0);
  assert.ok((await storedBelow(gantry.root)).every((path) => !path.includes(id)));
  assertError(await client.get(location), 404, "BLOB_UPLOAD_UNKNOWN");
  assertError(await client.patch(location, Buffer.alloc(1)), 404, "BLOB_UPLOAD_UNKNOWN");
  assertError(await client.close(location, blobOf(0).digest), 404, "BLOB_UPLOAD_UNKNOWN");
  assertError(await client.delete(location), 404, "BLOB_UPLOAD_UNKNOWN");
});

test("a closed upload is unknown at once, however soon it is requested", async () => {
  const name = newName();
  for (let time = 0; time < 30; time++) {
    const { bytes, digest } = blobOf(100);
    const location = await client.openUpload(name);
    await client.patch(location, bytes);
    assert.equal((await client.close(location, digest)).status, 201);
    assertError(await client.get(location), 404, "BLOB_UPLOAD_UNKNOWN");
  }
});

test("pushing an existing blob succeeds like the first time", async () => {
  const name = newName();
  const blob = blobOf(2000);
  for (const push of Object.values(ways)) assert.equal((await push(client, name, blob)).status, 201);
  assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
});

test("all concurrent pushes of one blob get 201, and it is stored once", async () => {
  for (const size of [100, 900_000]) {
    const blob = blobOf(size);
    const names = [newName(), newName()];
    const pushes = Object.values(ways).flatMap((push) => names.map((name) => push(client, name, blob)));
    for (const answer of await Promise.all(pushes)) assert.equal(answer.status, 201, answer.body.toString());
    for (const name of names) {
      assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
    }
  }
});

test("all concurrent pushes of one blob to new repositories get 201", async () => {
  for (let round = 0; round < 20; round++) {
    const blob = blobOf(20_000);
    const pushes = Array.from({ length: 24 }, () =>
      client.request("POST", `/v2/${newName()}/blobs/uploads/?digest=${blob.digest}`, { body: blob.bytes }),
    );
    for (const answer of await Promise.all(pushes)) assert.equal(answer.status, 201, answer.body.toString());
  }
});

test("two concurrent requests of one session never mix: one is served, one is refused", async () => {
  const location = await client.openUpload(newName());
  const body = Buffer.alloc(2_000_000);
  const answers = await Promise.all([client.patch(location, body), client.patch(location, body)]);
  const statuses = answers.map(({ status }) => status).sort();
  const received = (await client.get(location)).headers.range;
  // They may also run one after the other.
  assert.ok(
    statuses.join() === "202,409" ? received === "0-1999999" : received === "0-3999999",
    `${statuses}, ${received}`,
  );
});
