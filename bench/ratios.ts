/** Derives the results of one comparison: the subject compared with each peer. */
import type { Comparison, RecordedSeries, RecordedTarget } from "./record.js";
import { median, pairRatios, type Spread, spreadOf } from "./statistics.js";
import { gigabyte } from "./units.js";

/** The subject compared with one peer. */
export interface Pairing {
  readonly subject: RecordedSeries;
  readonly peer: RecordedSeries;
  /** The factor by which the subject is better, for each pair of neighbouring runs. */
  readonly ratios: readonly number[];
  readonly target: RecordedTarget | undefined;
}

export function pairingsOf({
  series,
  better,
  targets,
}: Pick<Comparison, "series" | "better" | "targets">): readonly Pairing[] {
  const [subject, ...peers] = series;
  if (subject === undefined) {
    return [];
  }
  return peers.map((peer) => {
    const [own, others] = [valuesOf(subject), valuesOf(peer)];
    const ratios = better === "more" ? pairRatios(own, others) : pairRatios(others, own);
    const target = targets.find((one) => one.kind === "ratio" && one.peer === peer.contender);
    return { subject, peer, ratios, target };
  });
}

export function valuesOf(series: RecordedSeries): readonly number[] {
  return series.samples.map(({ value }) => value);
}

/** Judged by the median ratio; a ceiling by the worst run. */
export function isReached(
  target: RecordedTarget,
  subject: RecordedSeries,
  ratios: readonly number[],
): boolean {
  return target.kind === "ceiling"
    ? spreadOf(valuesOf(subject)).max < target.atMost
    : median(ratios) >= target.atLeast;
}

/** CPU time of the server per unit of its work. */
export interface Cost {
  readonly cpuSeconds: Spread;
  readonly per: "GB" | "1,000 requests" | "run";
}

export function costOf({ samples }: RecordedSeries): Cost {
  const per = (amountOf: (sample: (typeof samples)[number]) => number) =>
    spreadOf(samples.map((sample) => sample.cpuSeconds / amountOf(sample)));
  if (samples.every(({ bytes }) => bytes !== undefined)) {
    return { per: "GB", cpuSeconds: per(({ bytes = Number.NaN }) => bytes / gigabyte) };
  }
  if (samples.every(({ requests }) => requests !== undefined)) {
    return { per: "1,000 requests", cpuSeconds: per(({ requests = Number.NaN }) => requests / 1000) };
  }
  return { per: "run", cpuSeconds: per(() => 1) };
}

export function peakOf({ samples }: RecordedSeries): number {
  return Math.max(...samples.map(({ peakBytes }) => peakBytes));
}
