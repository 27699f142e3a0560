// Locks by key: which holders may share one, in which order, and that nothing remains afterwards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { KeyedLock } from "../../src/lib/keyed-lock.js";

interface Holder {
  readonly key: "a" | "b";
  readonly exclusive: boolean;
  readonly turns: number;
  readonly fails: boolean;
}

const holders: fc.Arbitrary<Holder[]> = fc.array(
  fc.record({
    key: fc.constantFrom("a" as const, "b" as const),
    exclusive: fc.boolean(),
    turns: fc.nat({ max: 3 }),
    fails: fc.boolean(),
  }),
  { maxLength: 15 },
);

test("an exclusive holder is alone, shared ones run together, and all run in order", async () => {
  await fc.assert(
    fc.asyncProperty(holders, async (list) => {
      const lock = new KeyedLock<"a" | "b">();
      const inside = { a: { shared: 0, exclusive: 0 }, b: { shared: 0, exclusive: 0 } };
      const order: number[] = [];
      const results = await Promise.allSettled(
        list.map(({ key, exclusive, turns, fails }, place) => {
          const work = async () => {
            order.push(place);
            const here = inside[key];
            here[exclusive ? "exclusive" : "shared"]++;
            assert.ok(here.exclusive === 0 || (here.exclusive === 1 && here.shared === 0));
            for (let count = 0; count < turns; count++) await turn();
            here[exclusive ? "exclusive" : "shared"]--;
            if (fails) throw new Error("wanted");
            return place;
          };
          return exclusive ? lock.exclusive(key, work) : lock.shared(key, work);
        }),
      );
      assert.equal(lock.size, 0);
      for (const [place, { fails }] of list.entries()) {
        assert.equal(results[place]?.status, fails ? "rejected" : "fulfilled");
      }
      for (const key of ["a", "b"]) {
        const entered = order.filter((place) => list[place]?.key === key);
        assert.deepEqual(
          entered,
          [...entered].sort((x, y) => x - y),
        );
      }
    }),
    { numRuns: 200 },
  );
});

test("a shared holder does not overtake a waiting exclusive one", async () => {
  const lock = new KeyedLock<"a">();
  const order: string[] = [];
  let release: () => void = () => {};
  const first = lock.shared("a", () => new Promise<void>((resolve) => (release = resolve)));
  const second = lock.exclusive("a", async () => void order.push("exclusive"));
  const third = lock.shared("a", async () => void order.push("shared"));
  await turn();
  assert.deepEqual(order, []);
  release();
  await Promise.all([first, second, third]);
  assert.deepEqual(order, ["exclusive", "shared"]);
});

test("work that throws before its first await releases the lock", async () => {
  const lock = new KeyedLock<"a">();
  const work = (): Promise<void> => {
    throw new Error("wanted");
  };
  await assert.rejects(lock.exclusive("a", work), /wanted/);
  assert.equal(await lock.exclusive("a", async () => 1), 1);
  assert.equal(lock.size, 0);
});
