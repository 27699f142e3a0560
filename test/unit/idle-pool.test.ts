import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { IdlePool } from "../../src/lib/idle-pool.js";

test("a caller waiting for a thread that cannot start gets an error, and the next one may get a thread", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-test-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "worker.mjs");
  const told: unknown[] = [];
  const pool = new IdlePool({
    file: pathToFileURL(file),
    threads: 1,
    tasksPerThread: 1,
    onError: (error) => told.push(error),
  });
  const refused = await Promise.allSettled([pool.run("double", 1), pool.run("double", 2)]);
  for (const one of refused) {
    assert.equal(one.status, "rejected");
    assert.match(String(one.reason), /worker\.mjs/);
  }
  assert.ok(told.length > 0);
  assert.equal(pool.tasks, 0);
  await writeFile(file, "export const double = (number) => 2 * number;");
  assert.equal(await pool.run("double", 21), 42);
  await pool.close();
});

test("a pool whose thread could not start closes at once", { timeout: 4_000 }, async () => {
  const pool = new IdlePool({
    file: new URL("file:///nowhere/worker.js"),
    threads: 1,
    tasksPerThread: 1,
    onError: () => {},
  });
  await assert.rejects(pool.run("check", "anything"));
  await pool.close();
});
