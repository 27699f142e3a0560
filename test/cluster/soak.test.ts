// The soak on two nodes over a bucket, behind a balancer that sends each request to a random one, with a collection each second
// on either node. GANTRY_SOAK_SECONDS sets the duration; from 300 on, the test also waits until all bytes are freed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { S3Client } from "../../src/storage/s3/client.js";
import { checkAndDelete, leaseSeconds, seed, soak } from "../soak/workload.js";
import { Client } from "../support/client.js";
import type { GantrySettings } from "../support/gantry.js";
import { needsHaproxy, startHaproxy } from "../support/haproxy.js";
import { startMeasured, valuesOf } from "../support/metrics.js";
import { startRedisServer } from "../support/redis-server.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";

const seconds = Number(process.env.GANTRY_SOAK_SECONDS ?? 20);
const waitsForBytes = seconds >= 300;
/** Bytes are freed after this time without a push that could use them, and then found by the next collection. */
const bytesSecondsMax = 2 * 300 + 60;

const settings: GantrySettings = {
  REGISTRY_GC_INTERVAL: "1s",
  REGISTRY_GC_LEASE: `${leaseSeconds}s`,
  REGISTRY_GC_UNTAGGED: "1s",
  // A client of the soak reads what it gets.
  REGISTRY_STORAGE_REDIRECT_DISABLE: "true",
};

test(`${seconds} seconds of pushes, pulls and deletions on two nodes that collect (seed ${seed})`, {
  skip: needsVersitygw || needsHaproxy,
}, async (t) => {
  await using server = await startS3Server();
  const engine = await startRedisServer();
  t.after(() => engine.stop());
  const start = () =>
    startMeasured((own) => startS3Node(server, { redis: engine.address, settings: { ...settings, ...own } }));
  const [one, two] = [await start(), await start()];
  await using first = one.gantry;
  await using second = two.gantry;
  await using balancer = await startHaproxy([first.port, second.port]);
  const connect = () => new Client(balancer.url, 1);
  const removed = async () => {
    const pages = await Promise.all(
      [one, two].map(async ({ page }) => valuesOf(await (await page()).text())),
    );
    return pages.map((page) => page.get('gantry_gc_removed_total{kind="blobs"}') ?? 0);
  };

  const counts = await soak(seconds, connect);
  t.diagnostic(JSON.stringify({ ...counts, removed: await removed() }));
  assert.ok(
    (await removed()).some((count) => count > 0),
    "something was collected beside the pushes",
  );

  await checkAndDelete(connect());
  const client = server.client();
  await gone(client, ["tags/", "blobs/", "manifests/", "referrers/"], 3 * leaseSeconds + 10);
  if (waitsForBytes) await gone(client, ["contents/", "data/", "uploads/"], bytesSecondsMax);
});

/** Resolves when no object is below these prefixes. Rejects if their number stays the same for that time. */
async function gone(client: S3Client, prefixes: readonly string[], secondsMax: number): Promise<void> {
  let least = Number.POSITIVE_INFINITY;
  let deadline = 0;
  for (;;) {
    const left: string[] = [];
    for (const prefix of prefixes) for await (const { key } of client.list(prefix)) left.push(key);
    if (left.length === 0) return;
    if (left.length < least) deadline = performance.now() + secondsMax * 1000;
    least = Math.min(least, left.length);
    assert.ok(performance.now() < deadline, `${left.length} objects are left, such as ${left[0]}`);
    await pause(1_000);
  }
}
