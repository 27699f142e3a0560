// Garbage collection and verification beside the cache: content of upstream registries is incomplete by design, and stays.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { gantry as run } from "../support/command.js";
import { blobOf, image, index, newName } from "../support/content.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const { gantry, client } = await serve({
  ...cacheOf(upstream, { tagttl: "1h" }),
  REGISTRY_GC_LEASE: "0s",
  REGISTRY_GC_INTERVAL: "0s",
});

test("gc keeps what is cached: by digest alone, without its index, without its manifest; and removes pushed garbage", async () => {
  const [sparse, untagged, lone] = [newName("library/a"), newName("library/b"), newName("library/c")];
  const [first, second] = [image(), image()];
  upstream.add(sparse, first);
  upstream.add(sparse, index([first, second]), "1");
  upstream.add(untagged, second);
  const blob = blobOf(1000);
  upstream.addBlob(lone, blob);
  const paths = [
    `/v2/${sparse}/manifests/1`,
    `/v2/${sparse}/manifests/${first.digest}`,
    `/v2/${sparse}/blobs/${first.blobs[0]?.digest}`,
    `/v2/${untagged}/manifests/${second.digest}`,
    `/v2/${lone}/blobs/${blob.digest}`,
  ];
  for (const path of paths) assert.equal((await client.get(path)).status, 200, path);
  const [team, garbage] = [newName("team/app"), blobOf(1000)];
  await client.pushBlobs(team, garbage);
  upstream.take();
  const { code, stdout } = await run(gantry.root, ["gc", "--delete", "--untagged", "0s"]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /0 manifests, 1 blob /);
  for (const path of paths) assert.equal((await client.get(path)).status, 200, path);
  assert.deepEqual(upstream.take(), []);
  assert.equal((await client.head(`/v2/${team}/blobs/${garbage.digest}`)).status, 404);
});

test("gantry verify finds no fault in images that are cached in part", async () => {
  const name = newName("library/part");
  const made = image();
  upstream.add(name, index([made, image()]), "1");
  upstream.add(name, made);
  for (const what of ["1", made.digest])
    assert.equal((await client.get(`/v2/${name}/manifests/${what}`)).status, 200);
  const { code, stdout } = await run(gantry.root, ["verify"]);
  assert.equal(code, 0, stdout);
});
