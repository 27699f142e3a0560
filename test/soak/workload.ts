/**
 * The soak's mix: pushers that upload only missing blobs, pullers, and deleters, beside a collector that the caller runs.
 * A client that is told that a blob is missing, although it did as the specification says, fails the run.
 */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "../support/client.js";
import { type Blob, blobOf, digestOf, type Image, imageOf, types } from "../support/content.js";
import { Dice } from "./dice.js";

export const seed = Number(process.env.GANTRY_SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** No push of the soak takes this long; the end waits for it. */
export const leaseSeconds = 8;

const repositories = ["soak/a", "soak/b", "soak/c"];
const tags = Array.from({ length: 12 }, (_, number) => `tag-${number}`);
const layers = Array.from({ length: 30 }, (_, number) => blobOf(1000 + 7_000 * number));
const pushers = 12;
const pullers = 4;
const deleters = 2;

/** What the clients did. Each kind must have happened. */
const counts = { pushes: 0, uploads: 0, mounts: 0, present: 0, pulls: 0, deletions: 0 };
/** Manifests with a requested deletion, of which a pull may fail. */
const deleted = new Set<string>();

/**
 * Lets the clients work for that time, and resolves with what they did. `connect` returns a client with one connection.
 * Rejects with the first error of a client, after all have ended.
 */
export async function soak(seconds: number, connect: () => Client): Promise<Readonly<typeof counts>> {
  const end = Date.now() + seconds * 1000;
  const many = (count: number, first: number, step: (client: Client, dice: Dice) => Promise<void>) =>
    Array.from({ length: count }, async (_, number) => {
      const client = connect();
      const dice = new Dice(seed + first + number);
      while (Date.now() < end) await step(client, dice);
    });
  const results = await Promise.allSettled([
    ...many(pushers, 0, push),
    ...many(pullers, 1000, pull),
    ...many(deleters, 2000, remove),
  ]);
  for (const result of results) if (result.status === "rejected") throw result.reason;
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, `there were some ${what}`);
  return counts;
}

/** Asserts that all tagged content is whole. Deletes it. */
export async function checkAndDelete(client: Client): Promise<void> {
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
}

function makeImage(dice: Dice): Image {
  const config = blobOf(JSON.stringify({ made: dice.next() }));
  const chosen = Array.from({ length: 3 }, () => dice.of(layers));
  return imageOf(config, chosen);
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
