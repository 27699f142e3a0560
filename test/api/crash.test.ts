// Uploads after a crash: resumable sessions stay, everything else is removed at the next start.

import assert from "node:assert/strict";
import { link, mkdir, mkdtemp, readdir, readFile, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-crash-"));
after(() => rm(folder, { recursive: true, force: true }));
const name = newName();
/** Each test has its own blob, so that none sees another's. */
const [goingOn, linked, other] = [blobOf(3000), blobOf(3000), blobOf(3000)];
const first = (bytes: Uint8Array) => bytes.subarray(0, 2000);
const rest = (bytes: Uint8Array) => bytes.subarray(2000);

const killed = await startGantry({}, folder);
const writer = new Client(killed.url);
/** Locations of uploads with all or the first of their bytes. */
async function upload(bytes: Uint8Array): Promise<string> {
  const location = await writer.openUpload(name);
  assert.equal((await writer.patch(location, bytes)).status, 202);
  return location;
}
const open = await upload(first(goingOn.bytes));
const committed = await upload(linked.bytes);
const withoutRecord = await upload(first(other.bytes));
const withTornRecord = await upload(first(other.bytes));
await writer.pushBlobs(name, blobOf(10));
await killed.kill();

const fileOf = (location: string) => join(folder, "uploads", location.split("/").at(-1) ?? "");
const recordOf = (location: string) => `${fileOf(location)}.json`;
// The moment between the links that make the bytes a blob and the end of the session.
const hex = linked.digest.slice("sha256:".length);
const content = join(folder, "content/sha256", hex.slice(0, 2));
await mkdir(content, { recursive: true });
await link(fileOf(committed), join(content, hex));
await link(join(content, hex), join(folder, "blobs", name, linked.digest));
await unlink(recordOf(withoutRecord));
await truncate(recordOf(withTornRecord), 20);
await writeFile(join(folder, "uploads", "0b8f6d0e-5a43-4a5e-8b3b-3d5a1c2e4f60"), "one request");
await mkdir(join(folder, "uploads", "0b8f6d0e-5a43-4a5e-8b3b-3d5a1c2e4f61.tmp"));

// The health check writes a file there periodically.
const gantry = await startInside({ REGISTRY_HEALTH_STORAGEDRIVER_ENABLED: "false" }, folder);
after(() => gantry.stop());
const client = new Client(gantry.url);
/** As the start left it, before any test has changed it. */
const found = (await readdir(join(folder, "uploads"))).sort();

test("only sessions that can be resumed are left in uploads", async () => {
  const names = [fileOf(open), recordOf(open)].map((path) => basename(path));
  assert.deepEqual(found, names);
  for (const location of [committed, withoutRecord, withTornRecord])
    assert.equal((await client.get(location)).status, 404);
});

test("bytes that a crash left linked as a blob cannot be written by their old session", async () => {
  assert.equal((await client.patch(committed, rest(linked.bytes))).status, 404);
  const stored = await readFile(join(folder, "blobs", name, linked.digest));
  assert.ok(stored.equals(linked.bytes));
  assert.ok((await client.get(`/v2/${name}/blobs/${linked.digest}`)).body.equals(linked.bytes));
});

test("an upload resumes after a crash from the reported offset", async () => {
  const status = await client.get(open);
  assert.equal(status.status, 204);
  assert.equal(status.headers.range, "0-1999");
  const range = { "Content-Range": "2000-2999" };
  assert.equal((await client.patch(open, rest(goingOn.bytes), range)).status, 202);
  assert.equal((await client.close(open, goingOn.digest)).status, 201);
  assert.ok((await client.get(`/v2/${name}/blobs/${goingOn.digest}`)).body.equals(goingOn.bytes));
});
