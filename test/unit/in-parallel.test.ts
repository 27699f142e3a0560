// Concurrent work never exceeds its limit, and is finished when the call settles, also after a failure.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { inParallel } from "../../src/lib/in-parallel.js";

const works = fc.array(fc.record({ turns: fc.nat({ max: 4 }), fails: fc.boolean() }), { maxLength: 20 });

test("no more than the limit run concurrently, and none after it resolves or rejects", async () => {
  await fc.assert(
    fc.asyncProperty(works, fc.integer({ min: 1, max: 6 }), async (list, limit) => {
      let running = 0;
      let begun = 0;
      const done = inParallel(list, limit, async ({ turns, fails }) => {
        begun++;
        running++;
        assert.ok(running <= limit);
        for (let count = 0; count < turns; count++) await turn();
        running--;
        if (fails) throw new Error("wanted");
      });
      if (list.some(({ fails }) => fails)) await assert.rejects(done, /wanted/);
      else {
        await done;
        assert.equal(begun, list.length);
      }
      assert.equal(running, 0);
      const before = begun;
      await turn();
      assert.equal(begun, before, "nothing starts afterwards");
    }),
  );
});

test("a failing source ends it after the running work", async () => {
  let running = 0;
  async function* source() {
    yield 1;
    yield 2;
    throw new Error("wanted");
  }
  await assert.rejects(
    inParallel(source(), 3, async () => {
      running++;
      await turn();
      running--;
    }),
    /wanted/,
  );
  assert.equal(running, 0);
});
