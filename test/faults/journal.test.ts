// Faults between a record of the journal and the change that it describes.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { assertError, Client } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { eventually } from "../support/store.js";
import { FaultyServer } from "./support.js";

/** A server with a tag, and an image to which the tag can move. */
async function withTag() {
  const server = await FaultyServer.start();
  const name = newName();
  const [before, made] = [image(), image()];
  await server.client.pushImage(name, before, "latest");
  await server.client.pushBlobs(name, ...made.blobs);
  return { server, name, before, made };
}

test("a tag that could not move does not move at the next start either", async () => {
  const { server, name, before, made } = await withTag();
  const { client, gantry } = server;
  const fault = { call: "rename", code: "EIO", path: `${name}/tags/latest/manifest\\.sha256` } as const;
  await server.during(fault, async () => {
    assertError(await client.putManifest(name, "latest", made.bytes, made.mediaType), 500, "UNKNOWN");
  });
  await gantry.kill();
  await using again = await startGantry({}, gantry.root);
  const now = new Client(again.url);
  assert.ok((await now.get(`/v2/${name}/manifests/latest`)).body.equals(before.bytes));
  await now.pushImage(name, made, "latest");
  assert.ok((await now.get(`/v2/${name}/manifests/latest`)).body.equals(made.bytes));
});

test("a tag whose record could not be synced does not move at the next start", async () => {
  const { server, name, before, made } = await withTag();
  const { client, gantry } = server;
  await server.during({ call: "fdatasync", code: "EIO", path: "/journal/\\d", once: true }, async () => {
    assertError(await client.putManifest(name, "latest", made.bytes, made.mediaType), 500, "UNKNOWN");
  });
  await gantry.kill();
  await using again = await startGantry({}, gantry.root);
  const now = new Client(again.url);
  assert.ok((await now.get(`/v2/${name}/manifests/latest`)).body.equals(before.bytes));
});

test("the journal of a worker that has crashed is removed by a checkpoint, and its pushes stay", async () => {
  const server = await FaultyServer.start({
    REGISTRY_STORAGE_FILESYSTEM_CHECKPOINT: "1s",
    REGISTRY_UPLOADS_WORKERS: "1",
  });
  const { client, gantry } = server;
  const [name, there, made] = [newName(), image(), image()];
  await client.pushImage(name, there, "latest");
  await client.pushBlobs(name, ...made.blobs);
  await server.during({ call: "fdatasync", code: "EXIT", path: "/journal/\\d", once: true }, async () => {
    assertError(await client.putManifest(name, "next", made.bytes, made.mediaType), 500, "UNKNOWN");
  });
  await client.pushImage(name, made, "next");
  const segments = async () =>
    (await readdir(join(gantry.root, "journal"))).filter((file) => file !== "mark");
  await eventually("only the segments of one worker are left", async () => {
    const slots = new Set((await segments()).map((file) => file.split("-")[0]));
    return slots.size === 1 ? true : undefined;
  });
  await gantry.kill();
  await using again = await startGantry({}, gantry.root);
  const now = new Client(again.url);
  for (const [tag, { bytes }] of [
    ["latest", there],
    ["next", made],
  ] as const)
    assert.ok((await now.get(`/v2/${name}/manifests/${tag}`)).body.equals(bytes));
});
