// The server's threads in addition to its main one.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import { type GantrySettings, startGantry } from "../support/gantry.js";

// The environment of the tests must not decide.
delete process.env.UV_THREADPOOL_SIZE;

async function threads(settings: GantrySettings = {}): Promise<number> {
  await using gantry = await startGantry(settings);
  return (await readdir(`/proc/${gantry.pid}/task`)).length;
}

test("files are read and synced by 16 threads, or as many as the environment sets", {
  skip: process.platform !== "linux" && "threads are counted in /proc",
}, async () => {
  const byItself = await threads();
  assert.equal(await threads({ UV_THREADPOOL_SIZE: "16" }), byItself);
  assert.equal(await threads({ UV_THREADPOOL_SIZE: "3" }), byItself - 13);
});
