// The metrics that only a node with a bucket and an engine has.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { documentedRows, rowsOf, startMeasured, valuesOf } from "../support/metrics.js";
import { startRedisServer } from "../support/redis-server.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { eventually } from "../support/store.js";

test("a node of a cluster counts its requests and commands", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  const engine = await startRedisServer();
  try {
    const { address: redis } = engine;
    const { gantry, page } = await startMeasured(
      (settings) => startS3Node(server, { redis, settings }),
      // An upstream that is not asked: there is a series for it.
      { REGISTRY_PROXY: JSON.stringify({ offline: true, upstreams: [{ name: "docker.io" }] }) },
    );
    await using node = gantry;
    const values = async () => valuesOf(await (await page()).text());
    const before = await values();
    await new Client(node.url).pushImage(newName(), image(), "latest");
    const count = (of: Map<string, number>, method: string) =>
      of.get(`gantry_storage_requests_total{method="${method}"}`) ?? 0;
    const written = (await server.requests()).filter(({ method }) => method === "PUT").length;
    assert.ok(written > 0);
    await eventually("all requests of the push are counted", async () => {
      const after = await values();
      return count(after, "PUT") - count(before, "PUT") >= 4 ? true : undefined;
    });
    assert.equal((await values()).get("gantry_cluster_nodes"), 1);
    const text = await (await page()).text();
    const [alone, shared] = await documentedRows();
    const told = rowsOf(text).map((row) => row.split(" | ")[0]);
    const known = new Set(alone.map((row) => row.split(" | ")[0]));
    const further = rowsOf(text).filter((row) => !known.has(row.split(" | ")[0]));
    assert.deepEqual(further, shared);
    assert.deepEqual(
      [...known].filter((name) => !told.includes(name)),
      [],
    );
  } finally {
    await engine.stop();
  }
});
