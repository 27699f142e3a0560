// Pushers that upload only missing blobs, pullers, deleters, and a collector that never pauses. No well-behaved client is
// told that a blob is missing, nothing is lost, nothing is left over. `npm run soak`; GANTRY_SOAK_SECONDS sets the duration,
// GANTRY_SOAK_SEED repeats a run's choices.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { collectGarbage } from "../../src/registry/collect-garbage.js";
import { Client } from "../support/client.js";
import {
  type Blob,
  blobOf,
  descriptorOf,
  digestOf,
  type Image,
  manifestOf,
  types,
} from "../support/content.js";
import { serveInside } from "../support/server.js";
import { storedBelow } from "../support/store.js";
import { Dice } from "./dice.js";

const seconds = Number(process.env.GANTRY_SOAK_SECONDS ?? 20);
const seed = Number(process.env.GANTRY_SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** No push of this test takes this long; the end waits for it. */
const leaseSeconds = 8;

const repositories = ["soak/a", "soak/b", "soak/c"];
const tags = Array.from({ length: 12 }, (_, number) => `tag-${number}`);
const layers = Array.from({ length: 30 }, (_, number) => blobOf(1000 + 7_000 * number));
const layerType = "application/vnd.oci.image.layer.v1.tar+gzip";
const pushers = 12;
const pullers = 4;
const deleters = 2;

const server = await serveInside({ REGISTRY_GC_INTERVAL: "0s", REGISTRY_GC_LEASE: `${leaseSeconds}s` });
const counts = { pushes: 0, uploads: 0, mounts: 0, present: 0, pulls: 0, deletions: 0, gcStats: 0 };
const collected = { manifests: 0, blobs: 0 };
/** Manifests with a requested deletion, of which a pull may fail. */
const deleted = new Set<string>();

function makeImage(dice: Dice): Image {
  const config = blobOf(JSON.stringify({ made: dice.next() }));
  const chosen = Array.from({ length: 3 }, () => dice.of(layers));
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, types.config),
      layers: chosen.map((layer) => descriptorOf(layer, layerType)),
    },
    [config, ...chosen],
  );
}

/** Like clients: HEAD, then a mount from a possible source, then an upload. */
async function provide(client: Client, name: string, blob: Blob, dice: Dice): Promise<void> {
  if ((await client.head(`/v2/${name}/blobs/${blob.digest}`)).status === 200) {
    counts.present++;
    return;
  }
  if (dice.chance(0.3)) {
    const from = dice.of(repositories);
    const query = `?mount=${blob.digest}&from=${from}`;
    const answer = await client.request("POST", `/v2/${name}/blobs/uploads/${query}`, { body: "" });
    if (answer.status === 201) {
      counts.mounts++;
      return;
    }
  }
  counts.uploads++;
  await client.pushBlobs(name, blob);
}

async function push(client: Client, dice: Dice): Promise<void> {
  const name = dice.of(repositories);
  const image = makeImage(dice);
  for (const blob of image.blobs) await provide(client, name, blob, dice);
  await pause(dice.below(60));
  const reference = dice.chance(0.8) ? dice.of(tags) : image.digest;
  const answer = await client.putManifest(name, reference, image.bytes, types.manifest);
  assert.equal(answer.status, 201, `${name}:${reference}: ${answer.body}`);
  counts.pushes++;
}

async function pull(client: Client, dice: Dice): Promise<void> {
  const name = dice.of(repositories);
  const answer = await client.get(`/v2/${name}/manifests/${dice.of(tags)}`);
  if (answer.status === 404) return;
  assert.equal(answer.status, 200);
  const digest = String(answer.headers["docker-content-digest"]);
  const { config, layers: named } = answer.json() as { config: Blob; layers: Blob[] };
  for (const blob of [config, ...named]) {
    const { status } = await client.get(`/v2/${name}/blobs/${blob.digest}`);
    if (status === 404 && deleted.has(`${name}@${digest}`)) return;
    assert.equal(status, 200, `${blob.digest} of ${name}@${digest}`);
  }
  counts.pulls++;
}

async function remove(client: Client, dice: Dice): Promise<void> {
  const name = dice.of(repositories);
  const tag = dice.of(tags);
  const { headers, status } = await client.head(`/v2/${name}/manifests/${tag}`);
  if (status === 404) return;
  const digest = String(headers["docker-content-digest"]);
  const whole = dice.chance(0.5);
  if (whole) deleted.add(`${name}@${digest}`);
  const answer = await client.delete(`/v2/${name}/manifests/${whole ? digest : tag}`);
  assert.ok(answer.status === 202 || answer.status === 404, String(answer.status));
  counts.deletions++;
  await pause(dice.below(40));
}

async function collect(): Promise<void> {
  const report = await collectGarbage(server.services, { dryRun: false, untaggedSeconds: 0 });
  collected.manifests += report.manifests;
  collected.blobs += report.blobs;
  counts.gcStats++;
  // Lets the sockets run: collector and server are one process here.
  await pause(1);
}

test(`${seconds} seconds of pushes, pulls and deletions beside a collector without pause (seed ${seed})`, async (t) => {
  const end = Date.now() + seconds * 1000;
  const many = (count: number, first: number, step: (client: Client, dice: Dice) => Promise<void>) =>
    Array.from({ length: count }, async (_, number) => {
      const client = new Client(server.url, 1);
      const dice = new Dice(seed + first + number);
      while (Date.now() < end) await step(client, dice);
    });
  const results = await Promise.allSettled([
    ...many(pushers, 0, push),
    ...many(pullers, 1000, pull),
    ...many(deleters, 2000, remove),
    (async () => {
      while (Date.now() < end) await collect();
    })(),
  ]);
  for (const result of results) if (result.status === "rejected") throw result.reason;
  t.diagnostic(JSON.stringify({ ...counts, collected }));
  for (const [what, count] of Object.entries({ ...counts, ...collected }))
    assert.ok(count > 0, `there were some ${what}`);
});

test("all tagged content is intact, and when everything is deleted nothing is left", async () => {
  const client = new Client(server.url);
  for (const name of repositories) {
    for (const tag of tags) {
      const answer = await client.get(`/v2/${name}/manifests/${tag}`);
      if (answer.status === 404) continue;
      const { config, layers: named } = answer.json() as { config: Blob; layers: Blob[] };
      for (const { digest } of [config, ...named]) {
        const blob = await client.get(`/v2/${name}/blobs/${digest}`);
        assert.equal(blob.status, 200);
        assert.equal(digestOf(blob.body), digest);
      }
      assert.equal((await client.delete(`/v2/${name}/manifests/${tag}`)).status, 202);
    }
  }
  await pause((leaseSeconds + 1) * 1000);
  await collect();
  const isContent = (path: string) => /[0-9a-f]{64}$/.test(path);
  const left = (await storedBelow(server.place)).filter(isContent);
  assert.deepEqual(left, []);
});
