/**
 * Bars of ratios: for each scenario and peer the factor by which the subject is better, from 1 to the median, with a whisker
 * from minimum to maximum and a mark at the target. The subject leads to the right of 1.
 */
import type { Pairing } from "../ratios.js";
import { pairingsOf } from "../ratios.js";
import type { Comparison } from "../record.js";
import { type Spread, spreadOf } from "../statistics.js";
import { spellSpread } from "../table.js";
import { spell } from "../units.js";
import { colorOf } from "./colors.js";
import { logScale } from "./log-scale.js";
import { line, picture, rectangle, text } from "./svg.js";

const width = 1025;
const labelsEnd = 330;
const plotEnd = width - 135;
const rowHeight = 18;
const barHeight = 11;
const headHeight = 60;

interface Bar extends Pairing {
  readonly label: string;
  readonly spread: Spread;
}

/** Undefined if nothing was compared. */
export function ratioBars(comparisons: readonly Comparison[]): string | undefined {
  const bars = comparisons.flatMap((comparison) =>
    pairingsOf(comparison)
      .map((pairing, index) => ({
        ...pairing,
        label: index === 0 ? comparison.name : "",
        spread: spreadOf(pairing.ratios),
      }))
      // A count may be 0, for example that of failed jobs. Such a ratio has no place on a logarithmic axis.
      .filter(({ ratios }) => ratios.every((ratio) => ratio > 0 && Number.isFinite(ratio))),
  );
  if (bars.length === 0) return undefined;
  const scale = logScale([1, ...bars.flatMap(({ spread }) => [spread.min, spread.max])], labelsEnd, plotEnd);
  const bottom = headHeight + bars.length * rowHeight;
  const grid = scale.ticks.flatMap((tick) => {
    const x = scale.at(tick);
    return [
      line({ x, y: headHeight - 6 }, { x, y: bottom }, tick === 1 ? "#000000" : "#dddddd"),
      text({ x, y: headHeight - 12 }, spell(tick), "middle"),
    ];
  });
  const drawn = bars.flatMap((bar, row) => drawBar(bar, headHeight + row * rowHeight, scale.at));
  const title =
    "How many times better the subject is than each peer (bar: median, whisker: least to most, |: target)";
  return picture(width, bottom + 20, [
    text({ x: 8, y: 20 }, title, "start", 'font-size="14"'),
    ...grid,
    ...drawn,
  ]);
}

function drawBar(
  { label, peer, spread, target }: Bar,
  top: number,
  at: (value: number) => number,
): readonly string[] {
  const color = colorOf(peer.contender);
  const middle = top + barHeight / 2;
  const [left, right] = [at(Math.min(1, spread.median)), at(Math.max(1, spread.median))];
  const told = spellSpread(spread);
  return [
    text({ x: 8, y: top + barHeight - 1 }, label),
    text({ x: labelsEnd - 8, y: top + barHeight - 1 }, peer.contender, "end", `fill="${color}"`),
    rectangle({ x: left, y: top }, Math.max(1, right - left), barHeight, color, `${peer.contender}: ${told}`),
    line({ x: at(spread.min), y: middle }, { x: at(spread.max), y: middle }, "#000000"),
    ...(target?.kind === "ratio"
      ? [
          line(
            { x: at(target.atLeast), y: top - 2 },
            { x: at(target.atLeast), y: top + barHeight + 2 },
            "#000000",
            2,
          ),
        ]
      : []),
    text({ x: plotEnd + 8, y: top + barHeight - 1 }, told, "start", 'font-size="10"'),
  ];
}
