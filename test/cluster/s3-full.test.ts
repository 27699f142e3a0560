// A store that is full to the last byte: a node starts on it, serves pulls, and an operator makes room with deletions and
// `gantry gc`, through the node and without one. The clock of the store is turned forward by the times of its files.

import assert from "node:assert/strict";
import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { keys } from "../../src/storage/s3/keys.js";
import { temporaryFolder } from "../clients/support.js";
import { Client } from "../support/client.js";
import { gantryProcess, type Ran } from "../support/command.js";
import { blobOf, type Image, imageOf } from "../support/content.js";
import { fillStore, fillUsedStore } from "../support/full-store.js";
import { bucketSettings, startS3Node } from "../support/s3-node.js";
import {
  needsMinio,
  needsMounts,
  needsVersitygw,
  type S3Server,
  startS3Server,
} from "../support/s3-server.js";
import { eventually } from "../support/store.js";

const skip = needsVersitygw || needsMounts();
const mebibyte = 1024 * 1024;
const storeMebibytes = 48;

/** Leases end at once; a content may be collected five minutes after it was written. */
const settings = {
  REGISTRY_GC_LEASE: "0s",
  REGISTRY_GC_INTERVAL: "0s",
  REGISTRY_STORAGE_DELETE_ENABLED: "true",
};

/** The reserve is looked for every 15 s. */
const restoredMilliseconds = 40_000;

function largeImage(bytes: number): Image {
  return imageOf(blobOf(JSON.stringify({ id: Math.random() })), [blobOf(bytes)]);
}

/** Pushes images of falling sizes until none fits. Returns the number of the images of the first size. */
async function fillByPushes(client: Client, name: string): Promise<number> {
  let first = 0;
  for (const size of [6 * mebibyte, mebibyte, 64 * 1024, 1024])
    for (let number = 0; ; number++) {
      assert.ok(number < 2_000, "the store becomes full");
      const made = largeImage(size);
      const status = await pushStatus(client, name, made, `v${size}-${number}`);
      if (status === 507) break;
      assert.equal(status, 201);
      if (size === 6 * mebibyte) first = number + 1;
    }
  return first;
}

async function pushStatus(
  client: Client,
  name: string,
  { blobs, bytes, mediaType }: Image,
  tag: string,
): Promise<number> {
  for (const blob of blobs) {
    const answer = await client.request("POST", `/v2/${name}/blobs/uploads/?digest=${blob.digest}`, {
      body: blob.bytes,
    });
    if (answer.status !== 201) return answer.status;
  }
  return (await client.putManifest(name, tag, bytes, mediaType)).status;
}

async function ageContents({ folder, bucket }: S3Server): Promise<void> {
  const contents = join(folder, bucket, "contents");
  const then = Date.now() / 1000 - 3600;
  for (const file of await readdir(contents)) await utimes(join(contents, file), then, then);
}

test("a full store is usable again after deletions and a collection", { skip }, async () => {
  await using server = await startS3Server("versitygw", storeMebibytes);
  await using folder = await temporaryFolder();
  await using node = await startS3Node(server, { settings });
  const client = new Client(node.url);
  const gc = (): Promise<Ran> =>
    gantryProcess(folder.path, ["gc", "--delete"], { ...bucketSettings(server), ...settings });
  const large = await fillByPushes(client, "app");
  assert.ok(large >= 3, "some can be deleted");
  fillUsedStore(server);
  await node.end();
  const all = { ...bucketSettings(server), ...settings };
  const check = await gantryProcess(folder.path, ["config", "check"], all);
  assert.equal(check.code, 0, `a server can start: ${check.stdout}`);
  assert.match(check.stdout, /^WARNING: storage\.s3: .*not tested, and pushes get 507/m);
  await node.start();
  const tagOf = (number: number) => `v${6 * mebibyte}-${number}`;
  const kept = await client.get(`/v2/app/manifests/${tagOf(0)}`);
  assert.equal(kept.status, 200, "pulls continue");
  await refusesPushes(client);
  assert.match(node.log(), /the store is full/);

  await deleteImage(client, "app", tagOf(1));
  const early = await gc();
  assert.equal(early.code, 0, early.stderr);
  assert.match(early.stdout, /contents of no repository kept until 20\S+Z at the latest.* to free 6\.0 MiB/);
  await ageContents(server);
  const online = await gc();
  assert.equal(online.code, 0, online.stderr);
  assert.match(online.stdout, / orphaned contents removed: 6\.\d MiB/);
  await eventually("pushes continue", async () => pushes(client, "app", "again"), restoredMilliseconds);

  await deleteImage(client, "app", tagOf(2));
  await ageContents(server);
  await fillByPushes(client, "more");
  fillUsedStore(server);
  await node.end();
  const offline = await gc();
  assert.equal(offline.code, 0, offline.stderr);
  assert.match(offline.stdout, / orphaned contents removed: 6\.\d MiB/);
  await node.start();
  await eventually("pushes continue", async () => pushes(client, "app", "once more"), restoredMilliseconds);
  const pulled = await client.get(`/v2/app/manifests/${tagOf(0)}`);
  assert.deepEqual(pulled.body, kept.body);
});

test("a node starts on a full MinIO, which answers pulls and deletions", {
  skip: skip || needsMinio,
}, async () => {
  await using server = await startS3Server("minio", storeMebibytes);
  await using node = await startS3Node(server, { settings });
  const client = new Client(node.url);
  const made = largeImage(mebibyte);
  assert.equal(await pushStatus(client, "app", made, "v1"), 201);
  await node.end();
  assert.ok((await server.client().head(keys.reserve)) !== undefined);
  fillStore(server);
  await node.start();
  await refusesPushes(client);
  assert.match(node.log(), /the store is full/);
  assert.equal((await client.get("/v2/app/manifests/v1")).status, 200);
  await deleteImage(client, "app", "v1");
  assert.equal((await client.get("/v2/app/manifests/v1")).status, 404);
});

async function refusesPushes(client: Client): Promise<void> {
  for (const size of [10, mebibyte])
    assert.equal(await pushStatus(client, "app", largeImage(size), "new"), 507);
}

async function pushes(client: Client, name: string, tag: string): Promise<true | undefined> {
  const status = await pushStatus(client, name, largeImage(3 * mebibyte), tag.replaceAll(" ", "-"));
  if (status === 507) return undefined;
  assert.equal(status, 201);
  return true;
}

async function deleteImage(client: Client, name: string, tag: string): Promise<void> {
  const { headers } = await client.get(`/v2/${name}/manifests/${tag}`);
  const deleted = await client.delete(`/v2/${name}/manifests/${headers["docker-content-digest"]}`);
  assert.equal(deleted.status, 202, deleted.body.toString());
}
