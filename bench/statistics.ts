/**
 * Statistics of small samples: median and spread. Ratios are formed pair by pair from neighbouring runs, so that a slow
 * minute of the machine affects both sides.
 */
import { strict as assert } from "node:assert";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function median(values: readonly number[]): number {
  assert(values.length > 0, "a median needs samples");
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  if (sorted.length % 2 === 1) {
    return upper;
  }
  return ((sorted[(sorted.length >> 1) - 1] ?? Number.NaN) + upper) / 2;
}

/** The smallest value that is at least as large as this share (0 to 1) of all. */
export function percentile(values: readonly number[], share: number): number {
  assert(values.length > 0, "a percentile needs values");
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** The ratio of each pair of neighbouring runs, subject over peer. */
export function pairRatios(subject: readonly number[], peer: readonly number[]): readonly number[] {
  assert.equal(subject.length, peer.length, "every subject run has its peer run");
  return subject.map((value, index) => value / (peer[index] ?? Number.NaN));
}
