// Work on many things at a time: never more than allowed, and over when it says so, also where it fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { aheadOf, inParallel } from "../../src/domain/in-parallel.js";

const works = fc.array(fc.record({ turns: fc.nat({ max: 4 }), fails: fc.boolean() }), { maxLength: 20 });

test("no more run than allowed, and none any more when it resolves or rejects", async () => {
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
      assert.equal(begun, before, "nothing is begun afterwards");
    }),
  );
});

test("a source that fails ends it when what was begun has ended", async () => {
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

test("what is begun ahead comes in its order, and no more of it than allowed", async () => {
  await fc.assert(
    fc.asyncProperty(works, fc.integer({ min: 1, max: 6 }), async (list, limit) => {
      let [begun, taken] = [0, 0];
      const results = aheadOf(list.entries(), limit, async ([index, { turns, fails }]) => {
        begun++;
        for (let count = 0; count < turns; count++) await turn();
        if (fails) throw new Error("wanted");
        return index;
      });
      const failing = list.findIndex(({ fails }) => fails);
      const taking = (async () => {
        for await (const index of results) {
          assert.equal(index, taken++);
          assert.ok(begun <= taken - 1 + limit, `${begun} begun when ${taken} were taken`);
        }
      })();
      if (failing >= 0) await assert.rejects(taking, /wanted/);
      else await taking;
      assert.equal(taken, failing >= 0 ? failing : list.length);
    }),
  );
});

test("whoever stops asking hears of no failure of what was begun ahead", async () => {
  const results = aheadOf([1, 2, 3], 3, async (item) => {
    if (item > 1) throw new Error("not wanted");
    return item;
  });
  for await (const item of results) {
    assert.equal(item, 1);
    break;
  }
  await turn();
});
