/**
 * Finds changes between two runs beyond the noise. It compares ratios instead of figures if both runs have the peer: a
 * slower machine also slowed the peer.
 */

import { chanceOf, factorBetween } from "./rank-test.js";
import { pairingsOf, valuesOf } from "./ratios.js";
import type { Comparison, RunRecord } from "./record.js";
import { spreadOf } from "./statistics.js";
import { spellSpread, textTable } from "./table.js";
import { spell } from "./units.js";

/** Of 20 comparisons without a change, one will look changed. */
const chanceMax = 0.05;
/** Smaller differences are not reported, however significant. */
const factorMin = 1.03;

export type Verdict = "better" | "worse" | "same" | "too few rounds";

export interface Change {
  readonly scenario: string;
  /** The ratio to this peer is compared; undefined if the figure itself is. */
  readonly peer: string | undefined;
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** The factor of the improvement. */
  readonly factor: number;
  /** The probability of such a difference by chance alone. */
  readonly chance: number;
  readonly verdict: Verdict;
}

/** Comparisons of everything that both have measured, in the order of the later one. */
export function changesBetween(before: RunRecord, after: RunRecord): readonly Change[] {
  const earlier = new Map(measuredIn(before).map((one) => [one.name, one]));
  return measuredIn(after).flatMap((late) => {
    const early = earlier.get(late.name);
    return early === undefined ? [] : changesOf(early, late);
  });
}

type Measured = Pick<Comparison, "name" | "better" | "targets" | "series">;

/** Each point of a growth is a separate comparison. */
function measuredIn({ comparisons, growths }: RunRecord): readonly Measured[] {
  const points = growths.flatMap(({ name, better, points }) =>
    points.map(({ at, series }) => ({ name: `${name} at ${at}`, better, targets: [], series })),
  );
  return [...comparisons, ...points].filter(({ series }) => series.length > 0);
}

function changesOf(early: Measured, late: Measured): readonly Change[] {
  const before = new Map(pairingsOf(early).map(({ peer, ratios }) => [peer.contender, ratios]));
  const byPeer = pairingsOf(late).flatMap(({ peer: { contender }, ratios }) => {
    const earlyRatios = before.get(contender);
    return earlyRatios === undefined ? [] : [judge(late.name, contender, earlyRatios, ratios)];
  });
  const [earlyOwn, lateOwn] = [early.series[0], late.series[0]];
  if (byPeer.length > 0 || earlyOwn === undefined || lateOwn === undefined) return byPeer;
  return [
    judge(late.name, undefined, goodness(early, valuesOf(earlyOwn)), goodness(late, valuesOf(lateOwn))),
  ];
}

/** Larger is better, whatever the figure is. */
function goodness({ better }: Measured, values: readonly number[]): readonly number[] {
  return better === "more" ? values : values.map((value) => 1 / value);
}

function judge(
  scenario: string,
  peer: string | undefined,
  before: readonly number[],
  after: readonly number[],
): Change {
  const factor = factorBetween(before, after);
  const chance = chanceOf(before, after);
  return { scenario, peer, before, after, factor, chance, verdict: verdictOf(before, after, factor, chance) };
}

function verdictOf(
  { length: earlyRounds }: readonly number[],
  { length: lateRounds }: readonly number[],
  factor: number,
  chance: number,
): Verdict {
  if (leastChance(earlyRounds, lateRounds) > chanceMax) return "too few rounds";
  if (chance > chanceMax || Math.max(factor, 1 / factor) < factorMin) return "same";
  return factor > 1 ? "better" : "worse";
}

/** The probability of the clearest possible difference between this many rounds. */
function leastChance(earlyRounds: number, lateRounds: number): number {
  const values = Array.from({ length: earlyRounds + lateRounds }, (_, index) => index);
  return chanceOf(values.slice(0, earlyRounds), values.slice(earlyRounds));
}

/** The differences that make the two runs hard to compare, each in a sentence. */
export function differencesBetween(before: RunRecord, after: RunRecord): readonly string[] {
  const versions = Object.entries(after.contenders).flatMap(([name, { version }]) => {
    const early = before.contenders[name]?.version;
    return early === undefined || early === version ? [] : [`${name}: ${early} and ${version}`];
  });
  const sides = (["machine", "settings"] as const).flatMap((part) => {
    const [early, late] = [JSON.stringify(before[part]), JSON.stringify(after[part])];
    return early === late ? [] : [`${part}: ${early} and ${late}`];
  });
  return [...sides, ...versions];
}

export function changesTable(changes: readonly Change[]): string {
  return textTable(
    ["scenario", "ratio to", "before", "after", "times better", "by chance", "verdict"],
    changes.map(({ scenario, peer, before, after, factor, chance, verdict }) => [
      scenario,
      peer ?? "(figure)",
      spellSpread(spreadOf(before)),
      spellSpread(spreadOf(after)),
      spell(factor),
      spell(chance),
      verdict,
    ]),
  );
}
