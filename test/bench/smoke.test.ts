/**
 * The bench in its shortest form, with the peers installed by .ci/install: every part of it works. Its figures are
 * meaningless: one short round on a machine with other work.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type RunRecord, recordSchema } from "../../bench/record.js";
import { needs, run, temporaryFolder } from "../clients/support.js";

const bench = fileURLToPath(new URL("../../bench/main.js", import.meta.url));
const skip = needs("docker-registry", "registry", "wrk");

test("the shortest run measures Gantry and its peers, and writes a table, samples and plots", {
  skip,
}, async () => {
  await using folder = await temporaryFolder();
  const table = await run(process.execPath, [bench, "--smoke"], { cwd: folder.path });
  const results = join(folder.path, "bench/results");
  const [name = ""] = await readdir(results);
  const files = await readdir(join(results, name));
  assert.deepEqual(files.sort(), ["growth-push-size.svg", "ratios.svg", "results.json", "results.md"]);
  const json = join(results, name, "results.json");
  const record = recordSchema.parse(JSON.parse(await readFile(json, "utf8")));
  assertComplete(record);
  assert.match(table, /^get-manifest-wrk +gantry +[\d,.]+ +requests\/s/m);
  const changes = await run(process.execPath, [bench, "compare", json, json]);
  assert.match(changes, /^zb-push-1m +distribution-3 .*too few rounds$/m);
});

function assertComplete({ comparisons, growths, contenders, leftOut }: RunRecord): void {
  assert.deepEqual(leftOut, []);
  for (const { failure } of [...comparisons, ...growths]) assert.equal(failure, undefined);
  for (const { series } of [...comparisons, ...growths.flatMap(({ points }) => points)]) {
    const measured = series.map(({ contender }) => contender);
    for (const name of ["gantry", "docker-registry", "distribution-3"])
      assert.ok(measured.includes(name), name);
  }
  assert.match(contenders["distribution-3"]?.version ?? "", /v3\./);
}
