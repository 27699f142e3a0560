// The cost of durability, counted by strace: the syncs of one push, none if they are disabled, less than one directory sync
// per push for many concurrent pushes; and that all of them precede the response.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import { type Call, skip, startTraced, type TracedServer } from "./trace.js";

/** Returns the calls caused by `work`. Waits for work after its responses, so that the trace is complete. */
async function callsOf(server: TracedServer, work: () => Promise<unknown>): Promise<readonly Call[]> {
  await pause(700);
  await server.calls();
  await work();
  await pause(700);
  return server.calls();
}

interface Syncs {
  readonly data: number;
  readonly directories: number;
}

function syncsIn(calls: readonly Call[]): Syncs {
  return {
    data: calls.filter(({ name }) => name === "fdatasync").length,
    directories: calls.filter(({ name }) => name === "fsync").length,
  };
}

/** Each way to push a blob of 100 KB. */
const ways: Readonly<Record<string, (client: Client, name: string) => Promise<unknown>>> = {
  "POST ?digest=": (client, name) => client.pushBlobs(name, blobOf(100_000)),
  "POST, PUT": async (client, name) => {
    const { bytes, digest } = blobOf(100_000);
    assert.equal((await client.close(await client.openUpload(name), digest, bytes)).status, 201);
  },
  "POST, PATCH, PUT": async (client, name) => {
    const { bytes, digest } = blobOf(100_000);
    const location = await client.openUpload(name);
    assert.equal((await client.patch(location, bytes)).status, 202);
    assert.equal((await client.close(location, digest)).status, 201);
  },
};

/** So that the folders of `content/` are known, which a store creates once. */
async function warmUp(client: Client, name: string): Promise<void> {
  await client.pushImage(name, image(), "latest");
}

for (const [way, push] of Object.entries(ways)) {
  test(`a blob pushed by ${way} costs one data sync and one directory sync`, { skip }, async () => {
    await using server = await startTraced();
    const client = new Client(server.url);
    const name = newName();
    await warmUp(client, name);
    const calls = await callsOf(server, () => push(client, name));
    const { data, directories } = syncsIn(calls);
    assert.equal(data, 1);
    // A new pair of first digits creates one folder durably: one more sync.
    assert.ok(directories >= 1 && directories <= 2, `${directories} directory syncs`);
    assertInOrder(calls);
  });
}

/** Data is synced before it gets a name that counts, and the name before the response. */
function assertInOrder(calls: readonly Call[]): void {
  const at = (what: string, is: (call: Call) => boolean): number => {
    const place = calls.findLastIndex(is);
    assert.notEqual(place, -1, `there is ${what}`);
    return place;
  };
  const dataSync = at("a data sync", ({ name }) => name === "fdatasync");
  const link = at(
    "a link into blobs",
    ({ name, parameters }) => name.startsWith("link") && /\/blobs\//.test(parameters),
  );
  const directorySync = at(
    "a sync of the repository's folder",
    ({ name, path }) => name === "fsync" && /\/blobs\//.test(path ?? ""),
  );
  const answer = at("a 201", ({ parameters }) => parameters.includes("HTTP/1.1 201"));
  assert.ok(
    dataSync < link && link < directorySync && directorySync < answer,
    `${[dataSync, link, directorySync, answer]}`,
  );
}

test("a large blob bypasses the page cache, and is synced nevertheless", { skip }, async () => {
  await using server = await startTraced({ REGISTRY_UPLOADS_CACHEDMIB: "8" });
  const client = new Client(server.url);
  const name = newName();
  await warmUp(client, name);
  const calls = await callsOf(server, () => client.pushBlobs(name, blobOf(32 * 1024 * 1024)));
  const direct = calls.filter(({ parameters }) => parameters.includes("O_DIRECT"));
  assert.equal(direct.length, 1);
  assert.match(direct[0]?.parameters ?? "", /\/uploads\//);
  // Early syncs, at most one per 8 MiB, and the last.
  const { data } = syncsIn(calls);
  assert.ok(data >= 2 && data <= 5, `${data} data syncs`);
  assertInOrder(calls);
});

test("a manifest pushed with a new tag costs two data syncs and three directory syncs, with a moved tag two and two", {
  skip,
}, async () => {
  await using server = await startTraced();
  const client = new Client(server.url);
  const name = newName();
  await warmUp(client, name);
  const made = image();
  await client.pushBlobs(name, ...made.blobs);
  const calls = await callsOf(server, () => client.putManifest(name, "new", made.bytes, made.mediaType));
  assert.deepEqual(syncsIn(calls), { data: 2, directories: 3 });
  const moved = image();
  await client.pushBlobs(name, ...moved.blobs);
  const moving = await callsOf(server, () => client.putManifest(name, "new", moved.bytes, moved.mediaType));
  assert.deepEqual(syncsIn(moving), { data: 2, directories: 2 });
});

test("relaxed durability syncs nothing", { skip }, async () => {
  await using server = await startTraced({ REGISTRY_STORAGE_FILESYSTEM_DURABILITY: "relaxed" });
  const client = new Client(server.url);
  const calls = await callsOf(server, async () => {
    for (const push of Object.values(ways)) await push(client, newName());
    await client.pushImage(newName(), image(), "latest");
  });
  assert.deepEqual(syncsIn(calls), { data: 0, directories: 0 });
  assert.ok(
    calls.some(({ name }) => name.startsWith("link")),
    "there were pushes",
  );
});

test("32 concurrent pushes share directory syncs: less than one per push", { skip }, async (t) => {
  await using server = await startTraced();
  const name = newName();
  await warmUp(new Client(server.url), name);
  const clients = Array.from({ length: 32 }, () => new Client(server.url, 1));
  const pushesEach = 8;
  const calls = await callsOf(server, () =>
    Promise.all(
      clients.map(async (client) => {
        for (let count = 0; count < pushesEach; count++) await client.pushBlobs(name, blobOf(20_000));
      }),
    ),
  );
  const pushes = clients.length * pushesEach;
  const ofRepository = calls.filter(
    ({ name, path }) => name === "fsync" && /\/blobs\//.test(path ?? ""),
  ).length;
  const all = syncsIn(calls);
  t.diagnostic(`${pushes} pushes: ${all.data} data syncs, ${ofRepository} syncs of the repository's folder`);
  assert.equal(all.data, pushes);
  assert.ok(ofRepository < pushes, `${ofRepository} of ${pushes}`);
});
