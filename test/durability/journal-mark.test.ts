// A damaged or missing mark of the journal: what was acknowledged is written again, and nothing that is done comes back.

import assert from "node:assert/strict";
import { open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { markIn, markSlots } from "../../src/storage/filesystem/journal/mark.js";
import { Client } from "../support/client.js";
import { type Image, image, newName } from "../support/content.js";
import { type Gantry, type GantrySettings, startGantry } from "../support/gantry.js";
import { newRoot } from "../support/new-root.js";
import { until } from "../support/until.js";

const name = newName();

function start(root: string, settings: GantrySettings = {}): Promise<Gantry> {
  return startGantry({ REGISTRY_UPLOADS_WORKERS: "2", REGISTRY_GC_INTERVAL: "0s", ...settings }, root);
}

async function push(gantry: Gantry, tag: string, made: Image): Promise<void> {
  await new Client(gantry.url).pushImage(name, made, tag);
}

async function assertTag(gantry: Gantry, tag: string, { bytes, blobs }: Image): Promise<void> {
  const client = new Client(gantry.url);
  assert.ok((await client.get(`/v2/${name}/manifests/${tag}`)).body.equals(bytes), `the tag ${tag}`);
  for (const blob of blobs)
    assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
}

/** Takes away all that was not synced beside the journal. */
async function cutPower(root: string): Promise<void> {
  for (const folder of ["blobs", "manifests", "content"])
    await rm(join(root, folder), { recursive: true, force: true });
}

const markOf = (root: string) => join(root, "journal", "mark");

/** Changes one bit of the last mark in one of its two places. */
async function damageMark(root: string, place: 0 | 1): Promise<void> {
  const at = markSlots[place] + 16;
  const bytes = await readFile(markOf(root));
  const handle = await open(markOf(root), "r+");
  await handle.write(Buffer.of(bytes.readUInt8(at) ^ 1), 0, 1, at);
  await handle.close();
}

async function generationOf(root: string): Promise<number> {
  const bytes = await readFile(markOf(root));
  return Math.max(...markSlots.map((at) => markIn(bytes, at)?.generation ?? -1));
}

const completed = /changes that a crash had left in the journal were completed/;

for (const ends of ["stopped", "killed"] as const)
  test(`pushes count if the mark of their start is lost, and the server was ${ends} before`, async () => {
    const root = await newRoot();
    const [early, late] = [image(), image()];
    const first = await start(root);
    await push(first, "early", early);
    await (ends === "stopped" ? first.stop() : first.kill());
    const before = await readFile(markOf(root));
    const second = await start(root);
    await push(second, "late", late);
    await second.kill();
    await cutPower(root);
    await writeFile(markOf(root), before);
    await using third = await start(root);
    await assertTag(third, "late", late);
    assert.match(third.log(), completed);
    assert.match(third.log(), /journal\/mark.*the last mark is lost/);
  });

for (const ends of ["stopped", "killed"] as const)
  test(`a damaged mark of a start repeats no change before it, and the server was ${ends} before`, async () => {
    const root = await newRoot();
    const first = await start(root);
    await push(first, "removed", image());
    await (ends === "stopped" ? first.stop() : first.kill());
    const second = await start(root);
    const path = `/v2/${name}/manifests/removed`;
    assert.equal((await new Client(second.url).delete(path)).status, 202);
    await second.kill();
    await damageMark(root, 0);
    await using third = await start(root);
    assert.equal((await new Client(third.url).head(path)).status, 404);
    assert.doesNotMatch(third.log(), completed);
    assert.match(third.log(), /journal\/mark.*damaged in one of two places/);
  });

for (const place of [0, 1] as const)
  test(`what was deleted after a checkpoint stays deleted with damage in place ${place} of its mark`, async () => {
    const root = await newRoot();
    const [removed, kept] = [image(), image()];
    const first = await start(root, { REGISTRY_STORAGE_FILESYSTEM_CHECKPOINT: "1s" });
    const began = await generationOf(root);
    await push(first, "removed", removed);
    // Its record counts by the mark before the checkpoint, and no later record names the tag.
    await until("there was a checkpoint", async () => (await generationOf(root)) > began);
    const path = `/v2/${name}/manifests/removed`;
    assert.equal((await new Client(first.url).delete(path)).status, 202);
    await push(first, "kept", kept);
    await first.kill();
    await damageMark(root, place);
    await using second = await start(root);
    assert.equal((await new Client(second.url).head(path)).status, 404);
    await assertTag(second, "kept", kept);
  });

test("a damaged mark of a clean stop loses nothing", async () => {
  const root = await newRoot();
  const made = image();
  const first = await start(root);
  await push(first, "latest", made);
  await first.stop();
  await damageMark(root, 0);
  await using second = await start(root);
  await assertTag(second, "latest", made);
  assert.doesNotMatch(second.log(), completed);
});

test("a clean stop leaves no records that would count without a mark", async () => {
  const root = await newRoot();
  const made = image();
  const first = await start(root);
  await push(first, "latest", image());
  await push(first, "latest", made);
  await first.stop();
  assert.deepEqual(await readdir(join(root, "journal")), ["mark"]);
  await rm(join(root, "journal", "mark"));
  await using second = await start(root);
  await assertTag(second, "latest", made);
  assert.doesNotMatch(second.log(), completed);
});

test("a start removes the records of earlier ones, so that they do not count without a mark", async () => {
  const root = await newRoot();
  const made = image();
  const first = await start(root);
  await push(first, "latest", image());
  await first.kill();
  const second = await start(root);
  assert.deepEqual(await readdir(join(root, "journal")), ["mark"]);
  const path = `/v2/${name}/manifests/latest`;
  assert.equal((await new Client(second.url).delete(path)).status, 202);
  await push(second, "next", made);
  await second.kill();
  await rm(join(root, "journal", "mark"));
  await using third = await start(root);
  assert.equal((await new Client(third.url).head(path)).status, 404);
  await assertTag(third, "next", made);
  assert.match(third.log(), completed);
});
