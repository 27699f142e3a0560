import assert from "node:assert/strict";
import { test } from "node:test";
import { type Change, changesBetween, differencesBetween } from "../../bench/compare.js";
import { recordSchema } from "../../bench/record.js";
import { comparisonOf, recordOf, seriesOf } from "./bench-records.js";

const peer = seriesOf("docker-registry", [100, 100, 100, 100, 100]);
const withSubject = (values: readonly number[], better: "more" | "less" = "more") =>
  recordOf({ comparisons: [comparisonOf([seriesOf("gantry", values), peer], { better })] });

const steady = [300, 310, 290, 305, 295];
const doubled = steady.map((value) => 2 * value);

function only(changes: readonly Change[]): Change {
  assert.equal(changes.length, 1);
  return changes[0] as Change;
}

test("a figure twice as good against the same peer has become better, and the reverse worse", () => {
  const up = only(changesBetween(withSubject(steady), withSubject(doubled)));
  assert.deepEqual([up.peer, up.verdict, Math.round(up.factor * 10)], ["docker-registry", "better", 20]);
  assert.equal(only(changesBetween(withSubject(doubled), withSubject(steady))).verdict, "worse");
});

test("a higher figure is worse if less is better", () => {
  const change = only(changesBetween(withSubject(steady, "less"), withSubject(doubled, "less")));
  assert.equal(change.verdict, "worse");
});

test("a machine of half the speed changes no comparison", () => {
  const slow = comparisonOf([
    seriesOf(
      "gantry",
      steady.map((value) => value / 2),
    ),
    seriesOf("docker-registry", [50, 50, 50, 50, 50]),
  ]);
  assert.equal(only(changesBetween(withSubject(steady), recordOf({ comparisons: [slow] }))).verdict, "same");
});

test("a difference within the spread is no change", () => {
  assert.equal(
    only(changesBetween(withSubject(steady), withSubject([298, 312, 291, 307, 294]))).verdict,
    "same",
  );
});

test("a significant but tiny difference is no change", () => {
  const narrow = [300, 300.1, 300.2, 300.3, 300.4];
  const change = only(changesBetween(withSubject(narrow), withSubject(narrow.map((value) => value + 1))));
  assert.ok(change.chance < 0.05);
  assert.equal(change.verdict, "same");
});

test("three rounds are too few to decide", () => {
  const few = (values: readonly number[]) =>
    recordOf({ comparisons: [comparisonOf([seriesOf("gantry", values), seriesOf("zot", [1, 1, 1])])] });
  assert.equal(only(changesBetween(few([1, 2, 3]), few([100, 200, 300]))).verdict, "too few rounds");
});

test("without a common peer, the figures themselves are compared", () => {
  const alone = recordOf({ comparisons: [comparisonOf([seriesOf("gantry", doubled)])] });
  const change = only(changesBetween(withSubject(steady), alone));
  assert.deepEqual([change.peer, change.verdict], [undefined, "better"]);
});

test("scenarios that are missing in a run, or failed, are not compared", () => {
  const failed = recordOf({ comparisons: [comparisonOf([], { failure: "it broke" })] });
  const other = recordOf({ comparisons: [comparisonOf([seriesOf("gantry", steady)], { name: "pull" })] });
  assert.deepEqual(changesBetween(withSubject(steady), failed), []);
  assert.deepEqual(changesBetween(withSubject(steady), other), []);
});

test("each point of a growth is compared", () => {
  const growthOf = (last: readonly number[]) => ({
    ...{ name: "growth", what: "more", along: "sizes", unit: "ms", why: "", peers: [], seconds: 1 },
    better: "less" as const,
    points: [
      { at: 1, series: [seriesOf("gantry", steady)] },
      { at: 10, series: [seriesOf("gantry", last)] },
    ],
  });
  const changes = changesBetween(
    recordOf({ growths: [growthOf(steady)] }),
    recordOf({ growths: [growthOf(doubled)] }),
  );
  assert.deepEqual(
    changes.map(({ scenario, verdict }) => [scenario, verdict]),
    [
      ["growth at 1", "same"],
      ["growth at 10", "worse"],
    ],
  );
});

test("different settings and peer versions are reported", () => {
  const facts = { durability: "", configuration: "" };
  const before = recordOf({ contenders: { zot: { version: "1", ...facts } } });
  const after = recordOf({ contenders: { zot: { version: "2", ...facts } } });
  assert.deepEqual(differencesBetween(before, after), ["zot: 1 and 2"]);
  assert.deepEqual(differencesBetween(before, before), []);
});

test("a record can be written and read back", () => {
  const record = withSubject(steady);
  assert.deepEqual(recordSchema.parse(JSON.parse(JSON.stringify(record))), record);
});
