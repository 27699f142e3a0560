/** What `gantry import --from-store` does with a damaged source: it leaves out what is damaged, and imports it once repaired. */
import assert from "node:assert/strict";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { ImportReport } from "../../src/registry/import/report.js";
import { temporaryFolder } from "../clients/support.js";
import { Client } from "../support/client.js";
import { gantryProcess } from "../support/command.js";
import { blobOf, descriptorOf, type Image, image, types } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { bucketFile, startS3Node } from "../support/s3-node.js";
import { countByKind } from "../support/s3-requests.js";
import { needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";
import { type StoreState, stateOfBucket, stateOfFolder } from "../support/store-state.js";

const name = "team/app";
/** Of several parts in a bucket. */
const layer = blobOf(11_000_000);
const hurtLayer = image({ layers: [descriptorOf(layer, types.layer)] });
const hurtManifest = image();
const sound = image();

/** Changes one bit: twice restores the bytes. */
function changed(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes);
  other.writeUInt8(other.readUInt8(50) ^ 1, 50);
  return other;
}

function blobFile(root: string, digest: string): string {
  const [algorithm = "", hex = ""] = digest.split(":");
  return join(root, "content", algorithm, hex.slice(0, 2), hex);
}

/** The key of a blob's bytes. */
async function dataOf(s3: S3Server, digest: string): Promise<string> {
  const found = await s3.client().get(`contents/${digest}`);
  return (JSON.parse(found?.bytes.toString() ?? "{}") as { data: string }).data;
}

function tagsOf(state: StoreState): string[] {
  return Object.keys(state[name]?.tags ?? {}).sort();
}

/** Imports, which must leave out what is damaged, and again after the repair. */
async function importTwice(
  root: string,
  words: readonly string[],
  state: () => Promise<StoreState>,
  repair: () => Promise<void>,
): Promise<ImportReport> {
  const { code, ...ran } = await gantryProcess(root, words);
  assert.equal(code, 1, `${ran.stdout}\n${ran.stderr}`);
  const report = ran.json<ImportReport>();
  for (const digest of [layer.digest, hurtLayer.digest, hurtManifest.digest])
    assert.ok(
      report.problems.some((problem) => problem.digest === digest),
      `${digest}\n${ran.stdout}`,
    );
  assert.ok(report.problems.some(({ digest, what }) => digest === layer.digest && /do not match/.test(what)));
  const partial = await state();
  assert.deepEqual(tagsOf(partial), ["sound"]);
  assert.deepEqual(partial[name]?.manifests, [sound.digest]);
  assert.ok(!partial[name]?.blobs.includes(layer.digest));
  await repair();
  const again = await gantryProcess(root, words);
  assert.equal(again.code, 0, `${again.stdout}\n${again.stderr}`);
  assert.deepEqual(tagsOf(await state()), ["layer", "manifest", "sound"]);
  return again.json<ImportReport>();
}

test("a damaged blob or manifest of the source is reported and left out", {
  skip: needsVersitygw,
}, async (context) => {
  await using folder = await temporaryFolder();
  await using s3 = await startS3Server();
  const path = (file: string) => join(folder.path, file);
  const root = path("old");
  {
    await using server = await startInside({}, root);
    const client = new Client(server.url);
    await client.pushBlobs(name, layer);
    for (const [tag, made] of Object.entries({ layer: hurtLayer, manifest: hurtManifest, sound }))
      await client.pushImage(name, made as Image, tag);
  }
  const bucket = await bucketFile(s3, path("bucket.yml"));
  const files = [blobFile(root, layer.digest), join(root, "manifests", name, hurtManifest.digest)];
  const damageFiles = async () => {
    for (const file of files) await writeFile(file, changed(await readFile(file)));
  };
  const objects = async () => [await dataOf(s3, layer.digest), `manifests/team*app!/${hurtManifest.digest}`];
  const changeObjects = async () => {
    for (const key of await objects()) {
      const found = await s3.client().get(key);
      assert.ok(found);
      await s3.client().put(key, changed(found.bytes));
    }
  };

  await context.test("a folder, whose files are linked", async () => {
    await damageFiles();
    const target = path("linked");
    const words = ["import", "--from-store", root, "--json"];
    const { blobs } = await importTwice(target, words, () => stateOfFolder(target), damageFiles);
    assert.equal(blobs.linked.count, 1);
    assert.equal((await stat(blobFile(target, layer.digest))).ino, (await stat(files[0] ?? "")).ino);
    await rm(target, { recursive: true });
  });

  await context.test("a folder, into a bucket that a server holds", async () => {
    await damageFiles();
    await using _ = await startS3Node(s3);
    const words = ["import", "--config", bucket, "--from-store", root, "--json"];
    await importTwice(root, words, () => stateOfBucket(s3), damageFiles);
  });

  await context.test("a bucket, into a folder", async () => {
    await changeObjects();
    const target = path("back");
    const words = ["import", "--from-store", bucket, "--json"];
    await importTwice(target, words, () => stateOfFolder(target), changeObjects);
  });

  await context.test("a bucket, into another place of the same store, without a download", async () => {
    await changeObjects();
    const copy = await bucketFile(s3, path("copy.yml"), "copy");
    const words = ["import", "--config", copy, "--from-store", bucket, "--json"];
    const data = await dataOf(s3, layer.digest);
    await s3.resetRequests();
    const { blobs } = await importTwice(path("none"), words, () => stateOfBucket(s3, "copy/"), changeObjects);
    const requests = await s3.requests();
    assert.deepEqual([blobs.copiedInStore.count, blobs.streamed.count], [1, 0]);
    assert.equal(countByKind(requests)["PUT UploadPart"], undefined);
    // The test itself has read it once, to restore it.
    const reads = requests.filter(({ operation, path: p }) => operation === "GetObject" && p.includes(data));
    assert.equal(reads.length, 1);
  });
});
