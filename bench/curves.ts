/** Transposes a growth: the figures of each contender by size. */
import { valuesOf } from "./ratios.js";
import type { GrowthRecord } from "./record.js";
import { type Spread, spreadOf } from "./statistics.js";

export interface Curve {
  readonly contender: string;
  readonly points: readonly { readonly at: number; readonly spread: Spread }[];
}

/** A contender need not have been measured at every point. */
export function curvesOf({ points }: GrowthRecord): readonly Curve[] {
  const names = new Set(points.flatMap(({ series }) => series.map(({ contender }) => contender)));
  return [...names].map((contender) => ({
    contender,
    points: points.flatMap(({ at, series }) =>
      series
        .filter((one) => one.contender === contender)
        .map((one) => ({ at, spread: spreadOf(valuesOf(one)) })),
    ),
  }));
}
