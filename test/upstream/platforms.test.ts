// Images of an index for platforms that are not wanted are not fetched, also after a restart.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { describe, type Image, image, index, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const folder = await mkdtemp(join(tmpdir(), "gantry-platforms-"));
after(() => rm(folder, { recursive: true, force: true }));
const upstreams = [{ name: "docker.io", url: upstream.url, platforms: ["linux/amd64", "linux/arm"] }];
const start = () => startInside(cacheOf(upstream, { upstreams, absentttl: "0s" }), folder);

/** An image with an entry for an index. */
function entry(platform: object | undefined) {
  const made = image();
  return { made, descriptor: { ...describe(made), ...(platform && { platform }) } };
}

const images = {
  amd64: entry({ os: "linux", architecture: "amd64" }),
  armV7: entry({ os: "linux", architecture: "arm", variant: "v7" }),
  arm64: entry({ os: "linux", architecture: "arm64", variant: "v8" }),
  windows: entry({ os: "windows", architecture: "amd64" }),
  attestation: entry({ os: "unknown", architecture: "unknown" }),
  anything: entry(undefined),
};
const wanted = ["amd64", "armV7", "attestation", "anything"] as const;
const unwanted = ["arm64", "windows"] as const;

function repository() {
  const name = newName("library/app");
  const manifests = Object.values(images).map(({ descriptor }) => descriptor);
  const all = index([], { manifests });
  for (const { made } of Object.values(images)) upstream.add(name, made);
  upstream.add(name, all, "1");
  upstream.take();
  const get = (client: Client, { digest }: Image) => client.get(`/v2/${name}/manifests/${digest}`);
  return { name, all, get };
}

test("an index is served as it is, and only its images for the listed platforms are fetched", async () => {
  await using gantry = await start();
  const client = new Client(gantry.url);
  const { name, all, get } = repository();
  const answer = await client.get(`/v2/${name}/manifests/1`);
  assert.ok(answer.body.equals(all.bytes));
  upstream.take();
  for (const one of unwanted) {
    const answers = await Promise.all([1, 2, 3].map(() => get(client, images[one].made)));
    for (const { status, body } of answers) {
      assert.equal(status, 404, one);
      assert.match(
        body.toString(),
        /MANIFEST_UNKNOWN.*only images for linux\/amd64, linux\/arm from docker\.io/,
      );
    }
  }
  assert.deepEqual(upstream.take(), []);
  for (const one of wanted) assert.equal((await get(client, images[one].made)).status, 200, one);
  assert.equal(upstream.take().length, wanted.length);
});

test("the stored index decides after a restart", async () => {
  const { name, get } = repository();
  {
    await using before = await start();
    await new Client(before.url).get(`/v2/${name}/manifests/1`);
  }
  upstream.take();
  await using gantry = await start();
  const client = new Client(gantry.url);
  for (const one of unwanted) assert.equal((await get(client, images[one].made)).status, 404, one);
  assert.deepEqual(upstream.take(), []);
  assert.equal((await get(client, images.amd64.made)).status, 200);
});

test("an image that is wanted by another index, or that no index names, is fetched", async () => {
  await using gantry = await start();
  const client = new Client(gantry.url);
  const { name, get } = repository();
  const alone = image();
  upstream.add(name, alone);
  assert.equal((await get(client, alone)).status, 200);
  const { descriptor, made } = images.arm64;
  const again = index([], {
    manifests: [{ ...descriptor, platform: { os: "linux", architecture: "amd64" } }],
  });
  upstream.add(name, again, "2");
  for (const tag of ["1", "2"]) await client.get(`/v2/${name}/manifests/${tag}`);
  assert.equal((await get(client, made)).status, 200);
});
