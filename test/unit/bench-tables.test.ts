import assert from "node:assert/strict";
import { test } from "node:test";
import { lossesIn } from "../../bench/losses.js";
import { rowsOf, textTable } from "../../bench/table.js";
import { comparisonOf, seriesOf } from "./bench-records.js";

const expensive = seriesOf("gantry", [100, 100, 100]);
const cheap = {
  contender: "zot",
  samples: seriesOf("zot", [200, 200, 200]).samples.map((sample) => ({
    ...sample,
    cpuSeconds: 0.125,
    peakBytes: 25e6,
  })),
};

test("losses in rate, CPU time and memory are listed, the worst first", () => {
  const found = lossesIn([comparisonOf([expensive, cheap])]);
  assert.deepEqual(
    found.map(({ what, peer, own, peers, timesWorse }) => [what, peer, own, peers, timesWorse]),
    [
      ["CPU s per GB", "zot", 0.5, 0.125, 4],
      ["MB/s", "zot", 100, 200, 2],
      ["peak MB", "zot", 50, 25, 2],
    ],
  );
});

test("there is no loss if the peer is behind", () => {
  const slow = { ...seriesOf("zot", [50, 50, 50]) };
  assert.deepEqual(lossesIn([comparisonOf([expensive, slow])]), []);
});

test("a goal is judged by the median ratio, a ceiling by the worst run, and a missing peer is named", () => {
  const ratio = { kind: "ratio", peer: "zot", atLeast: 2 } as const;
  const series = [seriesOf("gantry", [40, 20, 10]), seriesOf("zot", [10, 10, 10])];
  const rows = rowsOf(comparisonOf(series, { targets: [ratio], peers: ["zot", "nginx"] }));
  assert.deepEqual(
    rows.map((row) => row.slice(1, 7)),
    [
      ["gantry", "20.0 (10.0-40.0)", "MB/s", "", "", ""],
      ["zot", "10.0", "", "2.00 (1.00-4.00)", ">= 2 x", "yes"],
      ["nginx", "not installed", "", "", "", ""],
    ],
  );
  const ceiling = { kind: "ceiling", atMost: 30 } as const;
  const [own] = rowsOf(comparisonOf(series, { targets: [ceiling], better: "less" }));
  assert.deepEqual(own?.slice(5, 7), ["< 30", "NO"]);
});

test("the row of a failed scenario says so", () => {
  const [row] = rowsOf(comparisonOf([], { failure: "it broke" }));
  assert.deepEqual(row?.slice(0, 2), ["push", "failed"]);
});

test("columns are as wide as their content", () => {
  assert.equal(
    textTable(
      ["a", "b"],
      [
        ["long", "1"],
        ["", "22"],
      ],
    ),
    "a     b\nlong  1\n      22",
  );
});
