import assert from "node:assert/strict";
import { test } from "node:test";
import { chanceOf, factorBetween } from "../../bench/rank-test.js";

test("the probability of an order matches the published tables of the rank test", () => {
  // Two-sided: all of one above all of the other, in one of C(n + m, m) orders and its mirror.
  assert.equal(chanceOf([1, 2, 3], [4, 5, 6]), 2 / 20);
  assert.equal(chanceOf([5, 6, 7, 8], [1, 2, 3, 4]), 2 / 70);
  assert.equal(chanceOf([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 2 / 252);
  // U = 1: one pair out of order.
  assert.equal(chanceOf([1, 2, 3, 4, 6], [5, 7, 8, 9, 10]), 4 / 252);
});

test("equal samples differ only by chance", () => {
  assert.equal(chanceOf([3, 3, 3], [3, 3, 3]), 1);
  assert.equal(chanceOf([1, 4], [2, 3]), 1);
});

test("the probability is symmetric", () => {
  const [before, after] = [
    [1.2, 3.1, 2.2, 2.2],
    [2.2, 4.1, 5.3],
  ];
  assert.equal(chanceOf(before, after), chanceOf(after, before));
});

test("one outlier does not change the factor", () => {
  assert.equal(factorBetween([1, 1, 1], [2, 2, 2]), 2);
  assert.equal(factorBetween([1, 1, 1, 1, 100], [2, 2, 2, 2, 0.001]), 2);
});
