// Reports in the background: one computation at a time, only if somebody looks, ended with the server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { BackgroundReport } from "../../src/browse/background-report.js";
import { sortedInTurns } from "../../src/lib/sorted-in-turns.js";
import { until } from "../support/until.js";

test("the first look begins a computation, which further looks share", async () => {
  let begun = 0;
  let finish: (value: string) => void = () => {};
  const report = new BackgroundReport<string>(
    (_, onDone) => {
      begun++;
      onDone(7);
      return new Promise((resolve) => {
        finish = resolve;
      });
    },
    (error) => assert.fail(String(error)),
  );
  await turn();
  assert.equal(begun, 0, "nobody has looked");
  assert.deepEqual(report.look(), { found: undefined, done: 7, hasFailed: false });
  report.look();
  assert.equal(begun, 1);
  finish("value");
  await until("the result", () => report.look().found?.value === "value");
  assert.equal(report.look().done, undefined, "it is not computed again at once");
  assert.equal(begun, 1);
  await report.close();
});

test("a failure is told, and not repeated at once", async () => {
  const errors: unknown[] = [];
  const report = new BackgroundReport(
    () => Promise.reject(new Error("wanted")),
    (error) => errors.push(error),
  );
  report.look();
  await until("the failure", () => report.look().hasFailed);
  report.look();
  await turn();
  assert.equal(errors.length, 1);
  await report.close();
});

test("closing ends a computation, and none begins afterwards", async () => {
  const report = new BackgroundReport(
    (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
    () => assert.fail("an end is no error"),
  );
  report.look();
  await report.close();
  assert.equal(report.look().done, undefined);
});

test("long lists are sorted like short ones, without a long turn", async () => {
  const numbers = Array.from({ length: 100_000 }, (_, index) => (index * 7_919) % 100_003);
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const sorted = await sortedInTurns(numbers, (a, b) => a - b);
  clearInterval(timer);
  assert.deepEqual(
    sorted,
    numbers.toSorted((a, b) => a - b),
  );
  assert.deepEqual(await sortedInTurns([] as number[], (a, b) => a - b), []);
  const pairs = [2, 1, 2, 1].map((key, at) => ({ key, at }));
  const stable = await sortedInTurns(pairs, (a, b) => a.key - b.key);
  assert.deepEqual(
    stable.map(({ at }) => at),
    [1, 3, 0, 2],
  );
});
