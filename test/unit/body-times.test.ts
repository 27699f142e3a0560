// The combined times of one body's tasks.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Facts, Spans } from "../../src/lib/spans.js";
import { BodyTimes } from "../../src/uploads/body-times.js";

function told(times: BodyTimes): Map<string, readonly [from: number, to: number, facts: Facts | undefined]> {
  const spans = new Map<string, readonly [number, number, Facts | undefined]>();
  const listener: Spans = {
    during: (_, work) => work(listener),
    passed: (name, from, to, facts) => void spans.set(name, [from, to, facts]),
  };
  times.tell(listener);
  return spans;
}

test("overlapping tasks are one span of each kind, with the busy time", () => {
  const times = new BodyTimes();
  times.add(100, { startedAt: 101, openedAt: 103, hashedAt: 110, writtenAt: 120 });
  times.add(105, { startedAt: 120, openedAt: 120, hashedAt: 125, writtenAt: 124 });
  times.add(126, {
    startedAt: 127,
    openedAt: 127,
    hashedAt: 125,
    writtenAt: 127,
    syncedAt: 140,
    placedAt: 144,
  });
  assert.deepEqual(
    [...told(times)],
    [
      ["queue", [100, 127, { tasks: 3, busy_ms: 1 + 15 + 1 }]],
      ["open", [101, 103, { tasks: 1, busy_ms: 2 }]],
      ["hash", [103, 125, { tasks: 2, busy_ms: 7 + 5 }]],
      ["write", [103, 124, { tasks: 2, busy_ms: 17 + 4 }]],
      ["sync", [127, 140, { tasks: 1, busy_ms: 13 }]],
      ["link", [140, 144, { tasks: 1, busy_ms: 4 }]],
    ],
  );
});

test("a step that took no time is omitted", () => {
  const times = new BodyTimes();
  times.add(100, { startedAt: 100, openedAt: 100, hashedAt: 0, writtenAt: 100 });
  assert.equal(told(times).size, 0);
});
