// Sessions that clients open and leave: counted by address for anonymous clients, not on disk without bytes, and known after
// a restart.

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import { type Gantry, type GantrySettings, oneProcess, startGantry } from "../support/gantry.js";
import { startMeasured, valuesOf } from "../support/metrics.js";
import { eventually } from "../support/store.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-open-sessions-"));
after(() => rm(folder, { recursive: true, force: true }));

const name = newName();
const here = "127.0.0.1";
const elsewhere = "127.0.0.2";

/** Opens a session from an address of this machine, and returns the status and the location. */
function open({ url }: Gantry, localAddress: string): Promise<{ status: number; location: string }> {
  return new Promise((resolve, reject) => {
    const options = { method: "POST", localAddress, agent: false };
    const asking = request(`${url}/v2/${name}/blobs/uploads/`, options, (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode ?? 0, location: String(answer.headers.location) });
    });
    asking.once("error", reject).end();
  });
}

async function openAll(gantry: Gantry, localAddress: string, count: number): Promise<string[]> {
  const locations: string[] = [];
  for (let number = 0; number < count; number++) {
    const { status, location } = await open(gantry, localAddress);
    assert.equal(status, 202);
    locations.push(location);
  }
  return locations;
}

// The totals of several processes are divided, and others learn of a client's sessions later.
const start = (settings: GantrySettings, root: string) =>
  startGantry({ ...oneProcess, ...settings }, join(folder, root));
const uploadsIn = ({ root }: Gantry) => readdir(join(root, "uploads"));

const three = { REGISTRY_LIMITS_SESSIONS_PERUSER: "3" };

test("an address with too many sessions is refused more, others are not, and neither are single-request pushes", async () => {
  await using gantry = await start(three, "addresses");
  await openAll(gantry, here, 3);
  assert.equal((await open(gantry, here)).status, 429);
  assert.equal((await open(gantry, elsewhere)).status, 202);
  const blob = blobOf(100);
  const path = `/v2/${name}/blobs/uploads/?digest=${blob.digest}`;
  assert.equal((await new Client(gantry.url).request("POST", path, { body: blob.bytes })).status, 201);
  // All anonymous clients are one owner, because an address may change during an upload.
  const [location = ""] = await openAll(gantry, elsewhere, 1);
  assert.equal((await new Client(gantry.url).get(location)).status, 204);
});

test("when all sessions are taken, one without bytes makes room for a client that sends some", async () => {
  await using gantry = await start({ REGISTRY_LIMITS_SESSIONS_TOTAL: "3" }, "total");
  const [first = ""] = await openAll(gantry, here, 3);
  const [location = ""] = await openAll(gantry, elsewhere, 1);
  const client = new Client(gantry.url);
  const blob = blobOf(100);
  assert.equal((await client.close(location, blob.digest, blob.bytes)).status, 201);
  assert.equal((await client.get(first)).status, 404);
});

test("sessions without bytes are not on disk, expire soon, and return their places", async () => {
  await using gantry = await start({ ...three, REGISTRY_LIMITS_SESSIONS_UNUSED: "2s" }, "unused");
  const client = new Client(gantry.url);
  const [withBytes = "", ...unused] = await openAll(gantry, here, 3);
  await client.patch(withBytes, blobOf(10).bytes);
  await pause(1000);
  assert.deepEqual((await uploadsIn(gantry)).length, 2, "the bytes and the record of one");
  for (const location of unused)
    await eventually(`${location} has ended`, async () =>
      (await client.get(location)).status === 404 ? true : undefined,
    );
  assert.equal((await client.get(withBytes)).status, 204);
  await openAll(gantry, here, 2);
});

test("sessions count for their clients after a restart, with and without bytes", async () => {
  const before = await start(three, "restart");
  const [withBytes = "", ...unused] = await openAll(before, here, 3);
  await new Client(before.url).patch(withBytes, blobOf(10).bytes);
  await before.stop();
  await using gantry = await start(three, "restart");
  const client = new Client(gantry.url);
  assert.equal((await open(gantry, elsewhere)).status, 202);
  await eventually("the count is known", async () =>
    (await client.get(withBytes)).status === 204 && (await open(gantry, here)).status === 429
      ? true
      : undefined,
  );
  for (const location of unused) assert.equal((await client.delete(location)).status, 204);
  await openAll(gantry, here, 2);
});

test("sessions with bytes count for their clients after a crash", async () => {
  const before = await start(three, "crash");
  for (const location of await openAll(before, here, 3))
    await new Client(before.url).patch(location, blobOf(10).bytes);
  await before.kill();
  const { gantry, page } = await startMeasured(startGantry, three, join(folder, "crash"));
  await using _ = gantry;
  await eventually("they are found", async () =>
    valuesOf(await (await page()).text()).get("gantry_upload_sessions") === 3 ? true : undefined,
  );
  assert.equal((await open(gantry, here)).status, 429);
  assert.equal((await open(gantry, elsewhere)).status, 202);
});
