// With `proxy.offline`, only what is cached is served, and no upstream is asked.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const folder = await mkdtemp(join(tmpdir(), "gantry-offline-"));
after(() => rm(folder, { recursive: true, force: true }));

test("offline, cached images are served whole, all else is 502, and no request leaves", async () => {
  const name = newName("library/app");
  const made = image();
  upstream.add(name, made, "1");
  const paths = [
    `/v2/${name}/manifests/1`,
    `/v2/${name}/manifests/${made.digest}`,
    ...made.blobs.map(({ digest }) => `/v2/${name}/blobs/${digest}`),
  ];
  {
    await using gantry = await startInside(cacheOf(upstream), folder);
    const client = new Client(gantry.url);
    for (const path of paths) assert.equal((await client.get(path)).status, 200, path);
  }
  upstream.take();
  await using gantry = await startInside(cacheOf(upstream, { offline: true, tagttl: "0s" }), folder);
  const client = new Client(gantry.url);
  for (const path of [...paths, ...paths]) assert.equal((await client.get(path)).status, 200, path);
  const tags = (await client.get(`/v2/${name}/tags/list`)).json() as { tags: string[] };
  assert.deepEqual(tags.tags, ["1"]);
  const other = image();
  upstream.add(name, other, "2");
  for (const path of [`/v2/${name}/manifests/2`, `/v2/${name}/blobs/${other.blobs[0]?.digest}`]) {
    for (const answer of [await client.get(path), await client.head(path)]) assert.equal(answer.status, 502);
    assert.match((await client.get(path)).body.toString(), /setting proxy\.offline/);
  }
  assert.deepEqual(upstream.take(), []);
});
