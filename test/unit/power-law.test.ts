import assert from "node:assert/strict";
import { test } from "node:test";
import { bendOf, exponentOf } from "../../bench/power-law.js";

const sizes = [1, 10, 100, 1_000, 10_000];
const lineOf = (law: (at: number) => number) => sizes.map((at) => ({ at, value: law(at) }));
const nearly = (found: number | undefined, expected: number) =>
  assert.ok(found !== undefined && Math.abs(found - expected) < 1e-9, `${found} is not ${expected}`);

for (const [shape, law, exponent] of [
  ["flat", () => 7, 0],
  ["linear", (at: number) => 3 * at, 1],
  ["of a square root", (at: number) => Math.sqrt(at), 0.5],
  ["falling", (at: number) => 5 / at, -1],
] as const) {
  test(`a ${shape} line has exponent ${exponent} and no bend`, () => {
    nearly(exponentOf(lineOf(law)), exponent);
    assert.equal(bendOf(lineOf(law)), undefined);
  });
}

test("a line that is flat and then linear has a bend there", () => {
  const bend = bendOf(lineOf((at) => Math.max(100, at)));
  assert.equal(bend?.at, 100);
  nearly(bend?.before, 0);
  nearly(bend?.after, 1);
});

test("a little noise is no bend, and three points cannot have one", () => {
  const noisy = sizes.map((at, index) => ({ at, value: at * (index % 2 === 0 ? 1.1 : 0.9) }));
  assert.equal(bendOf(noisy), undefined);
  assert.equal(bendOf(lineOf((at) => Math.max(100, at)).slice(1, 4)), undefined);
});
