// Work that is read ahead comes in order, never exceeds its limit, and is not begun for what nobody wants.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { foundInOrder, inOrder } from "../../src/lib/in-order.js";

test("results come in the order of the items, and no more than the limit run", async () => {
  const works = fc.array(fc.nat({ max: 4 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(works, fc.integer({ min: 1, max: 6 }), async (list, limit) => {
      let running = 0;
      const results: number[] = [];
      const numbered = list.map((turns, index) => ({ turns, index }));
      const all = inOrder(numbered, limit, async ({ turns, index }) => {
        running++;
        assert.ok(running <= limit);
        for (let count = 0; count < turns; count++) await turn();
        running--;
        return index;
      });
      for await (const result of all) results.push(result);
      assert.deepEqual(results, [...list.keys()]);
    }),
  );
});

test("a consumer that stops has begun little more than it has read", async () => {
  let begun = 0;
  const items = Array.from({ length: 100 }, (_, index) => index);
  for await (const item of inOrder(items, 4, async (index) => {
    begun++;
    return index;
  }))
    if (item === 9) break;
  assert.ok(begun >= 10 && begun <= 14, String(begun));
});

test("a failure comes when its turn has come", async () => {
  const seen: number[] = [];
  const all = foundInOrder([1, 2, 3, 4], 4, async (item) => {
    if (item === 3) throw new Error("wanted");
    return item === 1 ? undefined : item;
  });
  await assert.rejects(async () => {
    for await (const item of all) seen.push(item);
  }, /wanted/);
  assert.deepEqual(seen, [2]);
});
