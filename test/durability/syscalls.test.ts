// The cost of durability, counted by strace: the syncs of one push, none if they are disabled, less than one directory sync
// per push for many concurrent pushes; and that all of them precede the response.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "../support/client.js";
import { blobOf, describe, image, newName } from "../support/content.js";
import { until } from "../support/until.js";
import { type Call, skip, startTraced, type TracedServer } from "./trace.js";

const quietMilliseconds = 300;

/** Returns the calls since the last query, when no more come. */
async function quiet(server: TracedServer): Promise<readonly Call[]> {
  const all: Call[] = [];
  await until("the server is quiet", async () => {
    await pause(quietMilliseconds);
    const calls = await server.calls();
    all.push(...calls);
    return calls.length === 0;
  });
  return all;
}

/** Returns the calls caused by `work`, also those after its responses. */
async function callsOf(server: TracedServer, work: () => Promise<unknown>): Promise<readonly Call[]> {
  await quiet(server);
  await work();
  return quiet(server);
}

interface Syncs {
  readonly data: number;
  readonly directories: number;
}

function syncsIn(calls: readonly Call[]): Syncs {
  return {
    data: calls.filter(({ name }) => name === "fdatasync").length,
    // The name of a segment is synced once, when a worker first writes to it.
    directories: calls.filter(({ name, path }) => name === "fsync" && !/\/journal$/.test(path ?? "")).length,
  };
}

/** Each way to push a blob of that many bytes. */
const ways: Readonly<Record<string, (client: Client, name: string, size: number) => Promise<unknown>>> = {
  "POST ?digest=": (client, name, size) => client.pushBlobs(name, blobOf(size)),
  "POST, PUT": async (client, name, size) => {
    const { bytes, digest } = blobOf(size);
    assert.equal((await client.close(await client.openUpload(name), digest, bytes)).status, 201);
  },
  "POST, PATCH, PUT": async (client, name, size) => {
    const { bytes, digest } = blobOf(size);
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
  for (const journal of ["true", "false"])
    test(`a blob of 600 KB pushed by ${way} costs one data sync and one directory sync, journal: ${journal}`, {
      skip,
    }, async () => {
      await using server = await startTraced({ REGISTRY_STORAGE_FILESYSTEM_JOURNAL: journal });
      const client = new Client(server.url);
      const name = newName();
      await warmUp(client, name);
      await push(client, name, 600_000);
      const calls = await callsOf(server, () => push(client, name, 600_000));
      assert.deepEqual(syncsIn(calls), { data: 1, directories: 1 });
      assertInOrder(calls);
    });

  test(`a blob of 20 KB pushed by ${way}, the first of its repository, costs one sync of the journal`, {
    skip,
  }, async () => {
    await using server = await startTraced();
    const client = new Client(server.url);
    for (let count = 0; count < 2; count++) await warmUp(client, newName());
    const calls = await callsOf(server, () => push(client, newName(), 20_000));
    assert.deepEqual(syncsIn(calls), { data: 1, directories: 0 });
    assertJournaled(calls, isLink);
  });
}

/** The record is durable before any name that tells of it, and before the response. */
function assertJournaled(calls: readonly Call[], isName: (call: Call) => boolean): void {
  const sync = calls.findIndex(({ name, path }) => name === "fdatasync" && /\/journal\//.test(path ?? ""));
  const first = calls.findIndex(isName);
  const answer = calls.findIndex(({ parameters }) => parameters.includes("HTTP/1.1 201"));
  assert.ok(sync !== -1 && sync < first && first < answer, `${[sync, first, answer]}`);
}

function isLink({ name, parameters }: Call): boolean {
  return name.startsWith("link") && /\/(blobs|content)\//.test(parameters);
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

test("without the journal, a manifest with a new tag costs two data syncs and three directory syncs, with a moved tag two and two", {
  skip,
}, async () => {
  await using server = await startTraced({ REGISTRY_STORAGE_FILESYSTEM_JOURNAL: "false" });
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

test("a manifest with its tag and its entry at its subject costs one sync of the journal", {
  skip,
}, async () => {
  await using server = await startTraced();
  const client = new Client(server.url);
  for (let count = 0; count < 4; count++) await warmUp(client, newName());
  const name = newName();
  const [made, moved] = [image(), image()];
  const referrer = image({ subject: describe(made) });
  await client.pushBlobs(name, ...made.blobs, ...moved.blobs, ...referrer.blobs);
  for (const [pushed, tag] of [
    [made, "new"],
    [moved, "new"],
    [referrer, referrer.digest],
    [made, "another"],
    [made, "another"],
  ] as const) {
    const calls = await callsOf(server, () => client.putManifest(name, tag, pushed.bytes, pushed.mediaType));
    assert.deepEqual(syncsIn(calls), { data: 1, directories: 0 });
    const isRename = ({ name: call, parameters }: Call) =>
      call.startsWith("rename") && /\/manifests\//.test(parameters);
    if (calls.some(isRename)) assertJournaled(calls, isRename);
  }
});

test("relaxed durability syncs nothing", { skip }, async () => {
  await using server = await startTraced({ REGISTRY_STORAGE_FILESYSTEM_DURABILITY: "relaxed" });
  const client = new Client(server.url);
  const calls = await callsOf(server, async () => {
    for (const push of Object.values(ways)) await push(client, newName(), 600_000);
    await client.pushImage(newName(), image(), "latest");
  });
  assert.deepEqual(syncsIn(calls), { data: 0, directories: 0 });
  assert.ok(
    calls.some(({ name }) => name.startsWith("link")),
    "there were pushes",
  );
});

test("without the journal, 32 concurrent pushes share directory syncs: less than one per push", {
  skip,
}, async (t) => {
  await using server = await startTraced({ REGISTRY_STORAGE_FILESYSTEM_JOURNAL: "false" });
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

test("32 concurrent pushes share syncs of the journal", {
  skip,
}, async (t) => {
  await using server = await startTraced({ REGISTRY_UPLOADS_WORKERS: "2" });
  const name = newName();
  for (let count = 0; count < 4; count++) await warmUp(new Client(server.url), name);
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
  const { data, directories } = syncsIn(calls);
  t.diagnostic(`${pushes} pushes: ${data} syncs of the journal`);
  assert.ok(data < pushes * 0.75, `${data} of ${pushes}`);
  assert.equal(directories, 0);
});
