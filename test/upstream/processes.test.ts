// Two processes cache an upstream: while one fetches a blob, clients of the other one get its bytes as they come. Both know which
// tags are fresh.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import { blobOf, image, newName } from "../support/content.js";
import { download } from "../support/download.js";
import { startGantry } from "../support/gantry.js";
import { eventually } from "../support/store.js";
import { until } from "../support/until.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const mebibyte = 1024 * 1024;

/** So many that each process has some, with near certainty. */
const clients = 16;

test("clients of both processes get bytes while the upstream still sends, by one request", {
  timeout: 60_000,
}, async () => {
  const upstream = await ScriptedUpstream.start();
  await using server = await startGantry({ ...cacheOf(upstream), REGISTRY_HTTP_PROCESSES: "2" });
  const name = newName("library/app");
  const blob = blobOf(24 * mebibyte + 77);
  upstream.addBlob(name, blob);
  upstream.take();
  const path = `/v2/${name}/blobs/${blob.digest}`;
  upstream.holdAfter = 10 * mebibyte;
  const slices = async () =>
    (await readdir(join(server.root, "uploads"))).filter((file) => /\.\d+\.tmp$/.test(file));
  const downloads = await Promise.all(
    Array.from({ length: clients }, () => download(`${server.url}${path}`, 10 * mebibyte)),
  );
  for (const { received } of downloads)
    assert.ok(received.subarray(0, 10 * mebibyte).equals(blob.bytes.subarray(0, 10 * mebibyte)));
  assert.notEqual((await slices()).length, 0);
  upstream.release();
  for (const { ended } of downloads) assert.ok((await ended).equals(blob.bytes));
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
  await until("the slices are removed", async () => (await slices()).length === 0);
});

test("a tag is fresh for all processes if one of them has fetched it", { timeout: 60_000 }, async () => {
  const upstream = await ScriptedUpstream.start();
  const settings = cacheOf(upstream, { tagttl: "1h" });
  await using server = await startGantry({ ...settings, REGISTRY_HTTP_PROCESSES: "2" });
  const names = Array.from({ length: clients }, () => newName("library/app"));
  for (const name of names) {
    upstream.add(name, image(), "1");
    // On a connection of its own.
    assert.equal((await new Client(server.url, 1).get(`/v2/${name}/manifests/1`)).status, 200);
  }
  const ran = await gantry(server.root, ["cache", "list", "--json"]);
  const { images } = ran.json<{ images: { repository: string; fresh?: boolean }[] }>();
  assert.deepEqual(
    new Map(images.map(({ repository, fresh }) => [repository, fresh])),
    new Map(names.toSorted().map((name) => [`docker.io/${name}`, true])),
  );
  const look = async () => {
    const { body } = await new Client(server.url, 1).get("/ui/upstreams");
    return body.includes("Counted") ? body.toString() : undefined;
  };
  const page = await eventually("the cached images", look, 20_000);
  assert.equal(page.match(/>fresh</g)?.length, clients);
  assert.doesNotMatch(page, />stale</);
});
