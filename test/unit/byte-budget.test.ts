// Memory that many share: never more is taken than there is, all are served in order, and nothing stays taken.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { ByteBudget } from "../../src/domain/byte-budget.js";

const all = 10;
const takers = fc.array(
  fc.record({ bytes: fc.nat({ max: all }), turns: fc.nat({ max: 3 }), fails: fc.boolean() }),
  { maxLength: 20 },
);

test("never more is taken than there is, who comes first is served first, and all of it is free in the end", async () => {
  await fc.assert(
    fc.asyncProperty(takers, async (list) => {
      const budget = new ByteBudget(all);
      let taken = 0;
      const order: number[] = [];
      const results = await Promise.allSettled(
        list.map(({ bytes, turns, fails }, place) =>
          budget.within(bytes, async () => {
            order.push(place);
            taken += bytes;
            assert.ok(taken <= budget.taken && budget.taken <= all);
            for (let count = 0; count < turns; count++) await turn();
            taken -= bytes;
            if (fails) throw new Error("wanted");
          }),
        ),
      );
      for (const [place, { fails }] of list.entries())
        assert.equal(results[place]?.status, fails ? "rejected" : "fulfilled");
      assert.deepEqual(order, [...list.keys()]);
      assert.deepEqual([budget.taken, budget.waiting], [0, 0]);
    }),
  );
});

test("more than there is would never come, and is refused", async () => {
  await assert.rejects(
    new ByteBudget(all).within(all + 1, async () => {}),
    /more than there is/,
  );
});
