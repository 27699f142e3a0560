// The next collection removes an empty repository from the catalog, with its folders; a concurrent push is as safe as any.

import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import { test } from "node:test";
import { collectGarbage } from "../../src/registry/collect-garbage.js";
import { assertError, Client } from "../support/client.js";
import { blobOf, describe, type Image, image } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { serveInside } from "../support/server.js";
import { eventually } from "../support/store.js";

const server = await serveInside({ REGISTRY_GC_INTERVAL: "0s", REGISTRY_GC_LEASE: "0s" });
const leasing = await serveInside({ REGISTRY_GC_INTERVAL: "0s" });
const client = new Client(server.url);

function collect(dryRun = false) {
  return collectGarbage(server.services, { dryRun, untaggedSeconds: undefined });
}

async function removeImage(name: string, { digest, blobs }: Image, by = client): Promise<void> {
  assert.equal((await by.delete(`/v2/${name}/manifests/${digest}`)).status, 202);
  for (const blob of blobs) assert.equal((await by.delete(`/v2/${name}/blobs/${blob.digest}`)).status, 202);
}

async function catalog(): Promise<string[]> {
  return ((await client.get("/v2/_catalog?n=1000")).json() as { repositories: string[] }).repositories;
}

function entries(folder: string, of = server): Promise<string[]> {
  return readdir(`${of.place}/${folder}`).catch(() => []);
}

test("an empty repository leaves the catalog with its folders; its neighbours, parents and children stay", async () => {
  const [gone, above, below, beside] = ["team/app", "team", "team/app/tools", "team/other"];
  const images = new Map<string, Image>();
  for (const name of [gone, above, below, beside]) {
    const made = image();
    await client.pushImage(name, made, "latest");
    images.set(name, made);
  }
  const made = images.get(gone);
  assert.ok(made !== undefined);
  const referrer = image({ subject: describe(made) });
  await client.pushImage(gone, referrer);
  await removeImage(gone, referrer);
  await removeImage(gone, made);
  assert.deepEqual((await client.get(`/v2/${gone}/tags/list`)).json(), { name: gone, tags: [] });
  assert.deepEqual((await collect(true)).emptied, [gone]);
  assert.ok((await catalog()).includes(gone), "a dry run leaves it");
  assert.deepEqual((await collect()).emptied, [gone]);
  assert.deepEqual(await catalog(), [above, below, beside]);
  assertError(await client.get(`/v2/${gone}/tags/list`), 404, "NAME_UNKNOWN");
  for (const name of [above, below, beside]) {
    const kept = images.get(name);
    assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(kept?.bytes ?? Buffer.of()));
  }
  assert.deepEqual(await entries(`manifests/${gone}`), ["tools"]);
  const again = image();
  await client.pushImage(gone, again, "latest");
  assert.ok((await client.get(`/v2/${gone}/manifests/latest`)).body.equals(again.bytes));
  for (const name of [above, below, beside]) await removeImage(name, images.get(name) ?? again);
  await removeImage(gone, again);
  assert.equal((await collect()).emptied.length, 4);
  assert.deepEqual([await entries("manifests"), await entries("blobs")], [[], []]);
});

test("a repository with a tag, a manifest, a blob, a referrer or a stray file stays", async () => {
  const blob = blobOf(10);
  await client.pushBlobs("kept/blob", blob);
  await client.pushImage("kept/manifest", image());
  const made = image();
  await client.pushImage("kept/referrer", image({ subject: describe(made) }));
  await mkdir(`${server.place}/manifests/kept/odd/tags/latest`, { recursive: true });
  // An open upload has no folder, and needs none.
  const location = await client.openUpload("kept/session");
  assert.equal((await client.patch(location, blob.bytes)).status, 202);
  const { emptied, blobs } = await collect();
  assert.deepEqual([emptied, blobs], [["kept/blob"], 1], "but not one whose last blob is unreferenced");
  assert.deepEqual(await catalog(), ["kept/manifest", "kept/odd", "kept/referrer"]);
  assert.equal((await client.close(location, blob.digest)).status, 201);
  assert.deepEqual(await entries("blobs/kept/session"), [blob.digest]);
});

test("the next collection removes folders that a crash has left", async () => {
  for (const folder of [
    "manifests/left/a/tags",
    "manifests/left/b",
    "blobs/left/c",
    "manifests/left/d/_referrers/x",
  ])
    await mkdir(`${server.place}/${folder}`, { recursive: true });
  const emptied = (await collect()).emptied.filter((name) => name.startsWith("left/"));
  assert.deepEqual(emptied, ["left/a", "left/b", "left/d", "left/c"]);
  assert.deepEqual([await entries("manifests/left"), await entries("blobs/left")], [[], []]);
});

test("pushes beside a collector that never pauses all get 201, and nothing is lost or left over", async () => {
  // With leases, because the collector would otherwise remove blobs before their manifest arrives.
  const client = new Client(leasing.url);
  const collect = () => collectGarbage(leasing.services, { dryRun: false, untaggedSeconds: undefined });
  const end = Date.now() + 20_000;
  let rounds = 0;
  let emptied = 0;
  const goesOn = () => (rounds < 60 || emptied === 0) && Date.now() < end;
  const collecting = (async () => {
    while (goesOn()) emptied += (await collect()).emptied.length;
  })();
  const pushers = Array.from({ length: 6 }, async (_, number) => {
    const name = `race/branch-${number % 3}/app-${number}`;
    while (goesOn()) {
      const made = image();
      await client.pushImage(name, made, "latest");
      assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(made.bytes));
      for (const { digest, bytes } of made.blobs)
        assert.ok((await client.get(`/v2/${name}/blobs/${digest}`)).body.equals(bytes));
      await removeImage(name, made, client);
      rounds++;
    }
  });
  await Promise.all(pushers);
  await collecting;
  assert.ok(emptied > 0, "some were removed meanwhile");
  assert.ok(rounds >= 60);
  await collect();
  assert.deepEqual([await entries("manifests", leasing), await entries("blobs", leasing)], [[], []]);
});

test("a collection that only removes an empty repository is logged", async () => {
  const hourly = await startInside({ REGISTRY_GC_INTERVAL: "1s", REGISTRY_GC_LEASE: "0s" });
  try {
    const by = new Client(hourly.url);
    const made = image();
    await by.pushImage("emptied/app", made, "latest");
    assert.equal((await by.delete(`/v2/emptied/app/manifests/${made.digest}`)).status, 202);
    // Unless a collection has already removed it.
    for (const { digest } of made.blobs) await by.delete(`/v2/emptied/app/blobs/${digest}`);
    await eventually("it is logged", async () =>
      /"emptied":\["emptied\/app"\].*"garbage collected"/.test(hourly.log()) ? true : undefined,
    );
  } finally {
    await hourly.stop();
  }
});
