// Whatever a client does or omits, no slab, session or lock remains for it.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Client, locationOf } from "../support/client.js";
import { blobOf, image, index, newName } from "../support/content.js";
import { RawConnection } from "../support/raw.js";
import { serveInside } from "../support/server.js";
import { eventually, storedBelow, uploadsWithBytes } from "../support/store.js";

const server = await serveInside({ REGISTRY_UPLOADS_MEMORYMIB: "8" });
const client = new Client(server.url);
const { slabs, sessions, cluster } = server.services;
const { bytes, digest } = blobOf(2_000_000);
const wrong = blobOf(1).digest;

afterEach(async () => {
  await eventually("every slab is returned", () =>
    slabs.lent === 0 && slabs.waiting === 0 && slabs.overflow.taken === 0 ? true : undefined,
  );
  await eventually("no body has a listener", () => (slabs.listeners.size === 0 ? true : undefined));
  assert.equal(cluster.repositoryLocks.size, 0);
});

async function noneOpen(): Promise<void> {
  const state = () => (sessions.size === 0 ? true : undefined);
  await eventually("no session is open", state, 2_000).catch(() => assert.equal(sessions.size, 0));
  const empty = async () => ((await storedBelow(`${server.place}/uploads`)).length === 0 ? true : undefined);
  await eventually("uploads is empty", empty);
}

/**
 * Sends the headers and a part of the body of all these requests, and disconnects once bytes of each are in the storage:
 * everything returned afterwards had been taken.
 */
async function sendAndVanish(requests: readonly (readonly [method: string, path: string])[]): Promise<void> {
  const connections = await Promise.all(requests.map(() => RawConnection.open(server.url)));
  for (const [place, [method, path]] of requests.entries())
    connections[place]?.send(
      [`${method} ${path} HTTP/1.1`, "Host: x", `Content-Length: ${bytes.length}`],
      bytes.subarray(0, 1_500_000),
    );
  await eventually("bytes of every body are in the storage", async () =>
    (await uploadsWithBytes(server.place)) === requests.length ? true : undefined,
  ).finally(() => {
    for (const connection of connections) connection.vanish();
  });
}

test("a session lasts from its POST to its PUT", async () => {
  const name = newName();
  const location = await client.openUpload(name);
  assert.equal(sessions.size, 1);
  assert.equal((await client.close(location, digest, bytes)).status, 201);
  await noneOpen();
});

test("a push in one request leaves no session, however it ends", async () => {
  const path = `/v2/${newName()}/blobs/uploads/`;
  const post = (query: string, headers: Record<string, string> = {}) =>
    client.request("POST", path + query, { body: bytes, headers });
  assert.equal((await post(`?digest=${digest}`)).status, 201);
  await noneOpen();
  assert.equal((await post(`?digest=${wrong}`)).status, 400);
  await noneOpen();
  assert.equal((await post("?digest=bad")).status, 400);
  assert.equal((await post("?digest-algorithm=bad")).status, 400);
  await noneOpen();
  assert.equal((await post(`?digest=${digest}&digest-algorithm=sha512`)).status, 400);
  await noneOpen();
  for (const range of ["5-9", "0-9", "x"]) {
    const { status } = await post(`?digest=${digest}`, { "Content-Range": range });
    assert.ok(status === 400 || status === 416);
    await noneOpen();
  }
});

test("clients that disconnect during a push in one request leave no session", async () => {
  const path = `/v2/${newName()}/blobs/uploads/?digest=${digest}`;
  await sendAndVanish(Array.from({ length: 20 }, () => ["POST", path]));
  await noneOpen();
});

test("clients that disconnect during a PATCH or PUT leave only their sessions, which can be canceled", async () => {
  const name = newName();
  const locations = await Promise.all(Array.from({ length: 20 }, () => client.openUpload(name)));
  await sendAndVanish(
    locations.map((location, place) =>
      place % 2 === 0 ? ["PATCH", location] : ["PUT", `${location}?digest=${digest}`],
    ),
  );
  assert.equal(sessions.size, locations.length);
  // The bytes of a PATCH stay, so that it can be resumed; those of a closing request do not.
  for (const [place, location] of locations.entries()) {
    const isKept = place % 2 === 0;
    await eventually(`the bytes are ${isKept ? "kept" : "gone"}`, async () => {
      const { range } = (await client.get(location)).headers;
      return isKept === (range !== "0-0") ? true : undefined;
    });
  }
  for (const location of locations) {
    await eventually("it is canceled", async () => {
      const { status } = await client.delete(location);
      assert.ok(status === 204 || status === 409);
      return status === 204 ? true : undefined;
    });
  }
  await noneOpen();
});

test("a session closed with a wrong digest is over", async () => {
  const location = locationOf(await client.patch(await client.openUpload(newName()), bytes));
  assert.equal((await client.close(location, wrong)).status, 400);
  await noneOpen();
});

test("all of more concurrent uploads than slabs finish", async () => {
  const name = newName();
  const blobs = Array.from({ length: 40 }, () => blobOf(1_000_000));
  const pushes = blobs.map(async (blob) =>
    client.close(await client.openUpload(name), blob.digest, blob.bytes),
  );
  for (const answer of await Promise.all(pushes)) assert.equal(answer.status, 201);
  await noneOpen();
});

test("uploads with silent senders hold no slab", async () => {
  const connections = await Promise.all(Array.from({ length: 30 }, () => RawConnection.open(server.url)));
  const name = newName();
  for (const connection of connections) {
    const path = `/v2/${name}/blobs/uploads/?digest=${digest}`;
    connection.send(
      [`POST ${path} HTTP/1.1`, "Host: x", `Content-Length: ${bytes.length}`],
      bytes.subarray(0, 1000),
    );
  }
  await eventually("all have begun", () => (slabs.listeners.size === connections.length ? true : undefined));
  await eventually("no upload holds a slab", () => (slabs.lent === 0 ? true : undefined));
  await client.pushImage(name, image(), "latest");
  for (const connection of connections) connection.vanish();
  await noneOpen();
});

test("slowly sent large manifests get a share of the memory, without delaying small ones or other clients", async () => {
  const { bodyMemory } = server.services;
  const name = newName();
  const small = image();
  await client.pushBlobs(name, ...small.blobs);
  const annotations = { padding: "x".repeat(4 * 1024 * 1024 - 2000) };
  const large = Array.from({ length: 20 }, () => index([], { annotations, id: Math.random() }));
  const connections = await Promise.all(large.map(() => RawConnection.open(server.url)));
  for (const [place, { bytes: whole, mediaType }] of large.entries()) {
    const head = ["Host: x", `Content-Type: ${mediaType}`, `Content-Length: ${whole.length}`];
    connections[place]?.send(
      [`PUT /v2/${name}/manifests/large-${place} HTTP/1.1`, ...head],
      whole.subarray(0, -1),
    );
  }
  const refused = connections.map((connection) => connection.size > 0);
  await eventually("as many as fit are being received, and the others are refused", () => {
    for (const [place, connection] of connections.entries()) refused[place] = connection.size > 0;
    const held = refused.filter((isRefused) => !isRefused).length;
    return held > 0 && held <= 8 && bodyMemory.taken >= held * 4_000_000 ? true : undefined;
  });
  assert.ok(bodyMemory.taken <= bodyMemory.bytesPerClient);
  assert.equal((await client.putManifest(name, "small", small.bytes, small.mediaType)).status, 201);
  let held = 0;
  for (const [place, connection] of connections.entries()) {
    connection.write(large[place]?.bytes.subarray(-1) ?? "");
    const { status, head } = await connection.answer();
    if (status === 201) held++;
    else assert.ok(status === 429 && /^Retry-After: 1\r?$/im.test(head), head);
  }
  assert.ok(held >= 4, `${held} had enough memory`);
  await eventually("all memory is free", () => (bodyMemory.taken === 0 ? true : undefined));
  for (const connection of connections) connection.vanish();
});
