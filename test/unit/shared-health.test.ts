// The health of several processes, as one of them sees it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Calls } from "../../src/server/processes/calls.js";
import { SharedHealth } from "../../src/server/processes/shared-health.js";

test("a process that the first one no longer asks is not ready until it does", () => {
  let now = 0;
  const calls = { answer: () => {} } as unknown as Calls;
  const health = new SharedHealth({ number: 2, count: 2, calls, tellFirst: () => {}, now: () => now });
  now += 11_000;
  assert.deepEqual(health.failures, {});
  now += 2_000;
  assert.deepEqual(Object.keys(health.failures), ["processes"]);
  health.asked();
  assert.deepEqual(health.failures, {});
});
