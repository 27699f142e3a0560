import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { growthLines } from "../../bench/plot/growth-lines.js";
import { logScale } from "../../bench/plot/log-scale.js";
import { ratioBars } from "../../bench/plot/ratio-bars.js";
import { comparisonOf, seriesOf } from "./bench-records.js";

test("a logarithmic axis contains all values in order, with round ticks in range", () => {
  const values = fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(values, (some) => {
      const scale = logScale(some, 100, 900);
      const positions = some.toSorted((a, b) => a - b).map(scale.at);
      assert.deepEqual(
        positions,
        positions.toSorted((a, b) => a - b),
      );
      assert.ok(positions.every((position) => position >= 100 && position <= 900));
      assert.ok(scale.ticks.length >= 2);
      for (const tick of scale.ticks) {
        assert.match(tick.toExponential(6), /^[125]\.000000e/);
        assert.ok(scale.at(tick) >= 100 && scale.at(tick) <= 900);
      }
    }),
  );
});

test("equal ratios have equal distances", () => {
  const { at, ticks } = logScale([1, 10_000], 0, 400);
  assert.deepEqual(ticks.map(at), [0, 100, 200, 300, 400]);
});

test("a vertical axis points upwards", () => {
  const { at } = logScale([1, 10], 500, 100);
  assert.deepEqual([at(1), at(10)], [500, 100]);
});

test("zero and negative values are not drawn on a logarithmic axis", () => {
  assert.throws(() => logScale([0, 1], 0, 1), /positive/);
});

const numbersOf = (svg: string | undefined, pattern: RegExp) =>
  [...(svg ?? "").matchAll(pattern)].map(([, ...found]) => found.map(Number));

test("a bar reaches from 1 to the median ratio, to the left if the peer leads", () => {
  const svg = ratioBars([
    comparisonOf([
      seriesOf("gantry", [100, 100, 100]),
      seriesOf("zot", [10, 10, 10]),
      seriesOf("nginx", [1_000, 1_000, 1_000]),
    ]),
  ]);
  const [ahead, behind] = numbersOf(svg, /<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g);
  assert.ok(ahead !== undefined && behind !== undefined);
  const [aheadLeft = 0, aheadWidth = 0] = ahead;
  const [behindLeft = 0, behindWidth = 0] = behind;
  assert.ok(Math.abs(behindLeft + behindWidth - aheadLeft) < 0.2, "both begin at 1");
  assert.ok(Math.abs(aheadWidth - behindWidth) < 0.2, "a factor of 10 and of a tenth have equal lengths");
});

test("there is no bar for a count that is 0", () => {
  const counts = (...of: readonly [number, number]) =>
    ratioBars([comparisonOf([seriesOf("gantry", [of[0]]), seriesOf("zot", [of[1]])])]);
  assert.equal(counts(0, 131), undefined);
  assert.equal(counts(131, 0), undefined);
  assert.equal(counts(0, 0), undefined);
});

test("there are no bars without a peer", () => {
  assert.equal(ratioBars([comparisonOf([seriesOf("gantry", [1])])]), undefined);
});

const growth = {
  ...{ name: "growth", what: "more <and> more", along: "sizes", unit: "ms", why: "", peers: [], seconds: 1 },
  better: "less" as const,
};

test("a power law is a straight line in a plot of growth", () => {
  const points = [1, 10, 100].map((at) => ({ at, series: [seriesOf("gantry", [at ** 2])] }));
  const dots = numbersOf(growthLines({ ...growth, points }), /<circle cx="([\d.]+)" cy="([\d.]+)"/g);
  const [[x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = [], [x3 = 0, y3 = 0] = []] = dots;
  assert.ok(x1 < x2 && x2 < x3 && y1 > y2 && y2 > y3);
  assert.ok(Math.abs((y2 - y1) / (x2 - x1) - (y3 - y2) / (x3 - x2)) < 0.01);
});

test("text is escaped, and nothing is drawn without points", () => {
  const points = [{ at: 1, series: [seriesOf("gantry", [1])] }];
  assert.match(growthLines({ ...growth, points }) ?? "", /more &lt;and&gt; more/);
  assert.equal(growthLines({ ...growth, points: [] }), undefined);
});
