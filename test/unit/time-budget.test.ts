import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfTime, TimeBudget } from "../../bench/time-budget.js";

test("each part gets an even share of what is left, and what one saves the others have", (context) => {
  let now = 0;
  context.mock.method(performance, "now", () => now);
  const budget = new TimeBudget(300, 3);
  assert.equal(budget.deadlineOfNext(), 100);
  now = 20;
  assert.equal(budget.deadlineOfNext(), 160);
  now = 250;
  assert.equal(budget.deadlineOfNext(), 300);
});

test("without a limit nothing has a deadline", () => {
  assert.equal(new TimeBudget(Number.POSITIVE_INFINITY, 2).deadlineOfNext(), Number.POSITIVE_INFINITY);
});

test("work that is done in time gives its result, and its failure", async () => {
  const budget = new TimeBudget(performance.now() + 60_000, 1);
  assert.equal(await budget.within(async () => "done"), "done");
  await assert.rejects(
    budget.within(async () => assert.fail("broken")),
    /broken/,
  );
});

test("work that would never end is left when the time is up", async () => {
  const budget = new TimeBudget(performance.now() + 5, 1);
  await assert.rejects(
    budget.within(() => new Promise(() => {})),
    OutOfTime,
  );
});

test("nothing begins when the time is up", async () => {
  const budget = new TimeBudget(performance.now() - 1, 1);
  await assert.rejects(
    budget.within(async () => assert.fail("it has begun")),
    OutOfTime,
  );
});
