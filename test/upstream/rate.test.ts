// The setting `rate` of an upstream registry: all fetches share its bytes per second, and none starves another.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const mebibyte = 1024 * 1024;
const settings = (rate: string) =>
  cacheOf(upstream, { upstreams: [{ name: "docker.io", url: upstream.url, rate }] });
const { client } = await serve(settings("2MiB"));

function offer(bytes: number): string {
  const name = newName("library/app");
  const blob = blobOf(bytes);
  upstream.addBlob(name, blob);
  return `/v2/${name}/blobs/${blob.digest}`;
}

/** Resolves with the seconds that the download took. */
async function download(path: string): Promise<number> {
  const begun = performance.now();
  assert.equal((await client.get(path)).status, 200);
  return (performance.now() - begun) / 1000;
}

test("fetches at the same time get the rate together", async () => {
  const took = await Promise.all([download(offer(2 * mebibyte)), download(offer(2 * mebibyte))]);
  assert.ok(Math.max(...took) >= 1.9, `${took} s for 4 MiB at 2 MiB/s`);
});

test("a large fetch starves neither a small one nor a manifest", async () => {
  const large = download(offer(8 * mebibyte));
  const small = download(offer(200_000));
  const name = newName("library/app");
  upstream.add(name, image(), "1");
  const manifest = download(`/v2/${name}/manifests/1`);
  assert.ok((await small) < 2, "the small blob gets its share of the rate");
  assert.ok((await manifest) < 2);
  assert.ok((await large) >= 3.9);
});

test("what the cache has is sent without the limit", async () => {
  const path = offer(4 * mebibyte);
  await download(path);
  assert.ok((await download(path)) < 1);
});

for (const rate of ["fast", "0", "1KiB", "50"])
  test(`the rate ${rate} is refused`, async () => {
    await assert.rejects(startInside(settings(rate)), /rate.* expected a rate per second such as 50MiB/);
  });
