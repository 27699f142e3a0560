// A thread can lower its own priority without affecting others.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { constants, getPriority } from "node:os";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

const priorityModule = new URL("../../workers/manifests/priority.js", import.meta.url).href;
const program = `
  const { parentPort } = require("node:worker_threads");
  const { readlinkSync } = require("node:fs");
  const { getPriority } = require("node:os");
  import("${priorityModule}").then(({ lowerPriority }) => {
    lowerPriority();
    parentPort.postMessage(getPriority(Number(readlinkSync("/proc/thread-self").split("/").at(-1))));
  });
`;

const skip = existsSync("/proc/thread-self") ? false : "this system has no priorities of threads";

test("lowering a thread's priority does not change the process's", { skip }, async () => {
  const own = getPriority();
  const worker = new Worker(program, { eval: true });
  const lowered = await new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
  assert.equal(lowered, Math.min(own + 10, constants.priority.PRIORITY_LOW));
  assert.equal(getPriority(), own);
  await worker.terminate();
});
