// The slab pool: bounded memory, lent first come first served, and returned once.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SlabPool } from "../../src/lib/slab-pool.js";

test("slabs do not overlap and cover the memory", () => {
  const pool = new SlabPool({ slabBytes: 4, blockBytes: 4, overflowBytes: 0, slabs: 3 });
  const slabs = [pool.take(), pool.take(), pool.take()];
  for (const slab of slabs) {
    assert.ok(slab !== undefined);
    pool.bytes(slab).fill(slab + 1);
  }
  assert.deepEqual([...new Uint8Array(pool.memory, 0, 12)], [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  assert.equal(pool.take(), undefined);
  assert.equal(pool.lent, 3);
});

test("a slab can be returned only once", () => {
  const pool = new SlabPool({ slabBytes: 4, blockBytes: 4, overflowBytes: 0, slabs: 1 });
  const slab = pool.take();
  assert.ok(slab !== undefined);
  pool.give(slab);
  assert.throws(() => pool.give(slab), /invariant/);
  assert.throws(() => pool.give(7), /invariant/);
});

test("waiters are served in order, and none is overtaken", () => {
  type Step = "take" | "give" | "wait" | "leave";
  const steps = fc.array(fc.constantFrom<Step>("take", "give", "wait", "leave"), { maxLength: 60 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 3 }), (list, slabs) => {
      const pool = new SlabPool({ slabBytes: 1, blockBytes: 1, overflowBytes: 0, slabs });
      const held: number[] = [];
      let queue: { place: number; leave: () => void }[] = [];
      let places = 0;
      for (const step of list) {
        if (step === "take") {
          const slab = pool.take();
          assert.equal(slab !== undefined, held.length < slabs && queue.length === 0);
          if (slab !== undefined) held.push(slab);
        } else if (step === "give") {
          const slab = held.shift();
          if (slab !== undefined) pool.give(slab);
        } else if (step === "wait" && held.length === slabs) {
          const place = places++;
          const leave = pool.wait((slab) => {
            assert.equal(queue.shift()?.place, place, "first come, first served");
            held.push(slab);
          });
          queue.push({ place, leave });
        } else if (step === "leave") {
          const gone = queue.at(-1);
          gone?.leave();
          queue = queue.filter((waiter) => waiter !== gone);
        }
        assert.equal(new Set(held).size, held.length, "no slab is lent twice");
        assert.equal(pool.lent, held.length);
        assert.equal(pool.waiting, queue.length);
      }
    }),
    { numRuns: 1000 },
  );
});

test("waits are counted, with their time when they end, including those given up", () => {
  const pool = new SlabPool({ slabBytes: 1, blockBytes: 1, overflowBytes: 0, slabs: 1 });
  const slab = pool.take();
  assert.ok(slab !== undefined);
  const leave = pool.wait(() => assert.fail("it has left"));
  pool.wait(() => {});
  assert.deepEqual([pool.waits, pool.waitedSeconds], [2, 0]);
  leave();
  const left = pool.waitedSeconds;
  assert.ok(left > 0);
  leave();
  assert.equal(pool.waitedSeconds, left, "it no longer waits");
  pool.give(slab);
  assert.ok(pool.waitedSeconds > left);
  assert.equal(pool.waits, 2);
});
