import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { IdlePool, TaskTooLong } from "../../src/lib/idle-pool.js";

/** Returns the place of a worker's module, which is missing if it has no source. */
async function newWorker(t: TestContext, source: string | undefined): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-test-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "worker.mjs");
  if (source !== undefined) await writeFile(file, source);
  return pathToFileURL(file);
}

test("a caller waiting for a thread that cannot start gets an error, and the next one may get a thread", async (t) => {
  const file = await newWorker(t, undefined);
  const told: unknown[] = [];
  const pool = new IdlePool({
    file,
    threads: 1,
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
    onError: () => {},
  });
  await assert.rejects(pool.run("check", "anything"));
  await pool.close();
});

test("tasks that wait for a thread run in the order of their arrival, while more arrive", async (t) => {
  const file = await newWorker(t, "export const same = (value) => value;");
  const pool = new IdlePool({ file, threads: 1, onError: () => {} });
  const ended: number[] = [];
  let begun = 0;
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      while (begun < 200) ended.push((await pool.run("same", begun++)) as number);
    }),
  );
  assert.deepEqual(
    ended,
    Array.from(ended, (_, index) => index),
  );
  await pool.close();
});

test("a task that waits too long for a thread gets an error, and the next one its turn", async (t) => {
  const file = await newWorker(
    t,
    "export const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds, milliseconds));",
  );
  const pool = new IdlePool({ file, threads: 1, onError: () => {} });
  const first = pool.run("wait", 1000);
  const late = assert.rejects(pool.run("wait", 1, [], 100), TaskTooLong);
  const next = pool.run("wait", 2);
  await late;
  assert.equal(pool.tasks, 2);
  assert.deepEqual(await Promise.all([first, next]), [1000, 2]);
  assert.equal(pool.tasks, 0);
  await pool.close();
});

test("when a thread dies, its task fails, and those that wait get another one", async (t) => {
  const file = await newWorker(
    t,
    "export const same = (value) => value; export const die = () => process.exit(1);",
  );
  const pool = new IdlePool({ file, threads: 1, onError: () => {} });
  assert.equal(await pool.run("same", 1), 1);
  for (const waiting of [1, 20]) {
    const dying = assert.rejects(pool.run("die", null));
    const values = Array.from({ length: waiting }, (_, index) => index);
    assert.deepEqual(await Promise.all(values.map((value) => pool.run("same", value))), values);
    await dying;
  }
  const dying = assert.rejects(pool.run("die", null));
  const refused = assert.rejects(pool.run("same", 1), /worker\.mjs/);
  await rm(file);
  await dying;
  await refused;
  assert.equal(pool.tasks, 0);
  await pool.close();
});

test("a pool that closes waits for its tasks", async (t) => {
  const file = await newWorker(t, "export const same = (value) => value;");
  const pool = new IdlePool({ file, threads: 1, onError: () => {} });
  const running = pool.run("same", 1);
  await pool.close();
  assert.equal(await Promise.race([running, undefined]), 1);
});
