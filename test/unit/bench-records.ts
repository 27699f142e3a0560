/** Bench results for tests: only the figures matter. */
import { type Comparison, newRecord, type RecordedSeries, type RunRecord } from "../../bench/record.js";

export function seriesOf(contender: string, values: readonly number[]): RecordedSeries {
  const times = { seconds: 1, cpuSeconds: 0.5, driverCpuSeconds: 0.1, peakBytes: 50e6, bytes: 1e9 };
  return { contender, samples: values.map((value) => ({ value, ...times })) };
}

export function comparisonOf(series: readonly RecordedSeries[], over: Partial<Comparison> = {}): Comparison {
  const peers = series.slice(1).map(({ contender }) => contender);
  const facts = { name: "push", what: "push it", unit: "MB/s", better: "more", targets: [] } as const;
  return { ...facts, peers, series, seconds: 9, ...over };
}

export function recordOf(over: Partial<RunRecord>): RunRecord {
  const settings = { quick: false, rounds: 5, subject: "gantry" };
  const parts = {
    at: "2026-01-02T03:04:05.000Z",
    contenders: {},
    tools: {},
    comparisons: [],
    growths: [],
    leftOut: [],
  };
  return newRecord(settings, { ...parts, ...over });
}
