// A shared memory budget: no more is granted than exists, no client gets more than its share, and everything is returned.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteBudget } from "../../src/lib/byte-budget.js";

const all = 20;
const perClient = 8;
const steps = fc.array(
  fc.record({ client: fc.constantFrom("a", "b", "c", "d"), bytes: fc.nat({ max: 12 }), gives: fc.boolean() }),
  { maxLength: 60 },
);

test("a request is granted if it fits the client's share and the total, otherwise refused", () => {
  fc.assert(
    fc.property(steps, (list) => {
      const budget = new ByteBudget(all, perClient);
      const held = new Map<string, number[]>();
      const sum = (client: string) => (held.get(client) ?? []).reduce((total, bytes) => total + bytes, 0);
      for (const { client, bytes, gives } of list) {
        const own = held.get(client) ?? [];
        held.set(client, own);
        const back = gives ? own.pop() : undefined;
        if (back !== undefined) {
          budget.account(client).give(back);
          continue;
        }
        const before = budget.taken;
        const granted = budget.account(client).take(bytes);
        assert.equal(granted, sum(client) + bytes <= perClient && before + bytes <= all);
        if (granted) own.push(bytes);
        assert.equal(budget.taken, before + (granted ? bytes : 0));
      }
      for (const [client, own] of held) for (const bytes of own) budget.account(client).give(bytes);
      assert.equal(budget.taken, 0);
      assert.ok(budget.account("a").take(perClient));
    }),
  );
});

test("refused bytes are not released", () => {
  const budget = new ByteBudget(all, perClient);
  budget.account("a").take(3);
  assert.throws(() => budget.account("b").give(3), /invariant/);
});

test("a client that has taken nothing leaves no trace", () => {
  const budget = new ByteBudget(0, 0);
  assert.ok(budget.account("a").take(0));
  budget.account("a").give(0);
  assert.equal(budget.taken, 0);
});
