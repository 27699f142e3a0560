/**
 * The cache is killed while it fetches a layer for a real client, and starts again: the client gets the image by its own retry
 * or by a second pull, and the upstream is asked only for what had not arrived.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Blob } from "../support/content.js";
import { freePort } from "../support/free-port.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { eventually, storedBelow } from "../support/store.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";
import { buildkit, containerd, crane, docker, podman, skopeo } from "./mirror-clients.js";
import { besides } from "./mirror-place.js";
import { offerTo, pulls } from "./pullable-image.js";
import { needs, temporaryFolder } from "./support.js";

const upstream = await ScriptedUpstream.start();
const mebibyte = 1024 * 1024;

/** Returns those blobs that a repository of the store has. */
async function storedOf({ root }: Gantry, blobs: readonly Blob[]): Promise<Blob[]> {
  const paths = (await storedBelow(root)).filter((path) => path.startsWith("blobs/"));
  return blobs.filter(({ digest }) => paths.some((path) => path.endsWith(`/${digest}`)));
}

for (const { name: client, programs, start } of [docker, containerd, buildkit, podman, skopeo, crane])
  test(`${client} gets an image whose layer was arriving when the cache was killed`, {
    skip: needs(...programs),
  }, async (t) => {
    await using folder = await temporaryFolder();
    const settings = { ...cacheOf(upstream), REGISTRY_HTTP_ADDR: `127.0.0.1:${await freePort()}` };
    const root = join(folder.path, "store");
    let gantry = await startGantry(settings, root);
    try {
      await using puller = await start(await besides(folder.path, gantry));
      const offered = offerTo(upstream);
      const { large, layers, image } = offered;
      upstream.holdAfter = mebibyte;
      const pulling = pulls(puller, offered).then(
        () => "its own retry",
        () => "a second pull",
      );
      const [small] = layers;
      assert.ok(small !== undefined);
      const isArriving = async () =>
        upstream.requests.some(({ path }) => path.endsWith(large.digest)) &&
        (await storedOf(gantry, [small])).length === 1;
      await eventually(
        "one layer is stored, and one arrives",
        async () => (await isArriving()) || undefined,
        60_000,
      );
      await gantry.kill();
      const kept = await storedOf(gantry, image.blobs);
      upstream.release();
      upstream.requests.length = 0;
      gantry = await startGantry(settings, root);
      const how = await pulling;
      t.diagnostic(`${client} gets it by ${how}`);
      if (how === "a second pull") await pulls(puller, offered);
      const asked = upstream.take("/blobs/").map((request) => request.slice(request.lastIndexOf("/") + 1));
      // What the journal holds of the others gets its name at the start, so it may have arrived as well.
      const missing = image.blobs.filter((blob) => !kept.includes(blob)).map(({ digest }) => digest);
      assert.ok(asked.includes(large.digest), "the upstream is asked for the layer that was arriving");
      assert.deepEqual(
        asked.filter((digest) => !missing.includes(digest)),
        [],
      );
      assert.equal(new Set(asked).size, asked.length, `asked twice: ${asked.join(", ")}`);
    } finally {
      upstream.release();
      await gantry.stop();
    }
  });
