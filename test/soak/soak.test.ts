// The soak on a folder, with a collector that never pauses. No well-behaved client is told that a blob is missing, nothing is
// lost, nothing is left over. `npm run soak`; GANTRY_SOAK_SECONDS sets the duration, GANTRY_SOAK_SEED repeats a run's choices.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { collectGarbage } from "../../src/registry/collect-garbage.js";
import { Client } from "../support/client.js";
import { serveInside } from "../support/server.js";
import { storedBelow } from "../support/store.js";
import { checkAndDelete, leaseSeconds, seed, soak } from "./workload.js";

const seconds = Number(process.env.GANTRY_SOAK_SECONDS ?? 20);

const server = await serveInside({ REGISTRY_GC_INTERVAL: "0s", REGISTRY_GC_LEASE: `${leaseSeconds}s` });
const collected = { runs: 0, manifests: 0, blobs: 0 };

async function collect(): Promise<void> {
  const report = await collectGarbage(server.services, { dryRun: false, untaggedSeconds: 0 });
  collected.manifests += report.manifests;
  collected.blobs += report.blobs;
  collected.runs++;
  // Lets the sockets run: collector and server are one process here.
  await pause(1);
}

test(`${seconds} seconds of pushes, pulls and deletions beside a collector without pause (seed ${seed})`, async (t) => {
  let isOver = false;
  const collecting = (async () => {
    while (!isOver) await collect();
  })();
  try {
    const counts = await soak(seconds, () => new Client(server.url, 1));
    t.diagnostic(JSON.stringify({ ...counts, collected }));
  } finally {
    isOver = true;
    await collecting;
  }
  for (const [what, count] of Object.entries(collected)) assert.ok(count > 0, `collected ${what}`);
});

test("all tagged content is intact, and when everything is deleted nothing is left", async () => {
  await checkAndDelete(new Client(server.url));
  await pause((leaseSeconds + 1) * 1000);
  await collect();
  const isContent = (path: string) => /[0-9a-f]{64}$/.test(path);
  const left = (await storedBelow(server.place)).filter(isContent);
  assert.deepEqual(left, []);
});
