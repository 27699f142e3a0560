/** The torture of a cluster at a size for CI. Its seed is new each time and is in the report. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { needs } from "../clients/support.js";
import { tortureCluster } from "../torture/cluster/torture.js";

/** With fewer acknowledgements the clients have not done their work. */
const acknowledgedMin = 100;

for (const { nodes, rounds } of [
  { nodes: 1, rounds: 2 },
  { nodes: 2, rounds: 3 },
])
  test(`${nodes === 1 ? "a node loses" : `${nodes} nodes lose`} nothing that they acknowledged when their parts fail`, {
    skip: needs("versitygw", "haproxy", "redis-server"),
  }, async (context) => {
    const seed = process.env.TORTURE_SEED ?? randomBytes(4).toString("hex");
    context.diagnostic(`seed ${seed}`);
    const options = { seed, rounds, nodes, clients: 6, engine: "versitygw", onProgress: () => {} } as const;
    const report = await tortureCluster(options);
    assert.deepEqual(report.violations, [], `seed ${seed}\n${report.story}`);
    assert.equal(report.rounds, rounds);
    assert.ok(report.acknowledged >= acknowledgedMin, `only ${report.acknowledged} were acknowledged`);
  });
