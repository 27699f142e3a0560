// The metrics as Prometheus reads them, and whether alerts and dashboard use existing ones.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { needs, run, temporaryFolder } from "../clients/support.js";
import { checkout } from "../packaging/pack.js";
import { Client } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { documentedRows, startMeasured, valuesOf } from "../support/metrics.js";

const skip = needs("promtool");
// An endpoint that accepts nothing and an upstream that is not asked: there is a series for each.
const endpoint = { name: "nowhere", url: "http://127.0.0.1:1/" };
const { gantry, page } = await startMeasured(startGantry, {
  REGISTRY_NOTIFICATIONS_ENDPOINTS: JSON.stringify([endpoint]),
  REGISTRY_PROXY_UPSTREAMS: JSON.stringify([{ name: "docker.io", url: endpoint.url }]),
});
after(() => gantry.stop());
await new Client(gantry.url).pushImage(newName(), image(), "latest");
const text = await (await page()).text();
const rules = join(checkout, "deploy", "prometheus", "rules.yml");
const dashboard = join(checkout, "deploy", "grafana", "dashboard.json");

/** prom-client's names of Node's metrics. */
const knownComplaints = ["handles", "requests", "resources"].map(
  (what) => `nodejs_active_${what}_total non-counter metrics should not have "_total" suffix`,
);

test("promtool finds nothing wrong with the metrics", { skip }, async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "metrics");
  await writeFile(file, text);
  const said = await run("sh", ["-c", `promtool check metrics < ${file} 2>&1; echo it ends with $?`]);
  assert.deepEqual(said.trim().split("\n"), [...knownComplaints, "it ends with 3"]);
});

test("promtool accepts the alerts", { skip }, async () => {
  assert.match(await run("promtool", ["check", "rules", rules]), /SUCCESS/);
});

for (const [what, file] of [
  ["alerts", rules],
  ["dashboard", dashboard],
] as const)
  test(`the ${what} use existing metrics`, async () => {
    const [, shared] = await documentedRows();
    // This server has no other nodes; test/cluster/metrics.test.ts compares these rows with those of one that has.
    const ofCluster = shared.map((row) => row.split("`")[1] ?? "");
    const there = new Set([...valuesOf(text).keys(), ...ofCluster].map((line) => line.replace(/\{.*/, "")));
    const asked = (await readFile(file, "utf8")).match(/\b(?:gantry|nodejs|process)_[a-z0-9_]+/g) ?? [];
    assert.ok(asked.length > 5);
    for (const name of asked) assert.ok(there.has(name), name);
  });
