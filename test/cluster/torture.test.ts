/** The torture of a cluster at a size for CI: one seed, so that a failure is not due to the draw. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "../clients/support.js";
import { tortureCluster } from "../torture/cluster/torture.js";

const seed = process.env.TORTURE_SEED ?? "b";
const [nodes, rounds] = [2, 2];

/** With fewer acknowledgements the clients have not done their work. */
const acknowledgedMin = 30;

test(`${nodes} nodes lose nothing that they acknowledged when their parts fail`, {
  skip: needs("versitygw", "haproxy", "redis-server"),
}, async () => {
  const options = { seed, rounds, nodes, clients: 6, engine: "versitygw", onProgress: () => {} } as const;
  const report = await tortureCluster(options);
  assert.deepEqual(report.violations, [], `seed ${seed}\n${report.story}`);
  assert.equal(report.rounds, rounds);
  assert.ok(report.acknowledged >= acknowledgedMin, `only ${report.acknowledged} were acknowledged`);
});
