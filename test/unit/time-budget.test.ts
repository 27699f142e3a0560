import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfTime, TimeBudget } from "../../bench/time-budget.js";

test("each part gets an even share of the remaining time, and unused time goes to the others", (context) => {
  let now = 0;
  context.mock.method(performance, "now", () => now);
  const budget = new TimeBudget(300, 3);
  assert.equal(budget.deadlineOfNext(), 100);
  now = 20;
  assert.equal(budget.deadlineOfNext(), 160);
  now = 250;
  assert.equal(budget.deadlineOfNext(), 300);
});

test("without a limit there is no deadline", () => {
  assert.equal(new TimeBudget(Number.POSITIVE_INFINITY, 2).deadlineOfNext(), Number.POSITIVE_INFINITY);
});

test("work that ends in time returns its result or its failure", async () => {
  const budget = new TimeBudget(performance.now() + 60_000, 1);
  assert.equal(await budget.within(async () => "done"), "done");
  await assert.rejects(
    budget.within(async () => assert.fail("broken")),
    /broken/,
  );
});

test("endless work is abandoned when the time is up", async () => {
  const budget = new TimeBudget(performance.now() + 5, 1);
  await assert.rejects(
    budget.within(() => new Promise(() => {})),
    OutOfTime,
  );
});

test("nothing starts after the time is up", async () => {
  const budget = new TimeBudget(performance.now() - 1, 1);
  await assert.rejects(
    budget.within(async () => assert.fail("it has begun")),
    OutOfTime,
  );
});
