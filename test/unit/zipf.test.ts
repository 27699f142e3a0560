// Whether popularity follows its law: the rank to the power of the exponent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Zipf } from "../../bench/driver/zipf.js";

const draws = 100_000;

/** How often each rank is drawn if draws are evenly spread. */
function countsOf(ranks: number, exponent: number): number[] {
  let drawn = 0;
  const zipf = new Zipf(ranks, exponent, () => drawn++ / draws);
  const counts = new Array<number>(ranks).fill(0);
  for (let draw = 0; draw < draws; draw++) {
    const rank = zipf.next();
    counts[rank] = (counts[rank] ?? 0) + 1;
  }
  return counts;
}

for (const exponent of [0, 0.5, 1, 1.5]) {
  test(`the k-th of 20 comes 1/k^${exponent} times as often as the first`, () => {
    const counts = countsOf(20, exponent);
    const [first = 0] = counts;
    for (const [rank, count] of counts.entries()) {
      const expected = first * (rank + 1) ** -exponent;
      assert.ok(Math.abs(count - expected) <= 2, `rank ${rank}: ${count}, not ${expected}`);
    }
  });
}

test("the smallest and the largest draw give the first and the last rank", () => {
  for (const [drawn, rank] of [
    [0, 0],
    [1 - 2 ** -32, 6],
  ] as const)
    assert.equal(new Zipf(7, 1, () => drawn).next(), rank);
});

test("of one there is only the first", () => {
  assert.deepEqual(countsOf(1, 1), [draws]);
});
