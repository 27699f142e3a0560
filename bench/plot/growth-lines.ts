/** Plots how a figure depends on a size, with both axes logarithmic: a power law is a straight line. */
import { type Curve, curvesOf } from "../curves.js";
import type { GrowthRecord } from "../record.js";
import { spell } from "../units.js";
import { colorOf } from "./colors.js";
import { type LogScale, logScale } from "./log-scale.js";
import { dot, line, picture, polyline, text } from "./svg.js";

const width = 900;
const height = 520;
const frame = { left: 90, right: width - 170, top: 50, bottom: height - 60 };

/** Undefined if nothing was measured. */
export function growthLines(growth: GrowthRecord): string | undefined {
  const curves = curvesOf(growth);
  const points = curves.flatMap((curve) => curve.points);
  if (points.length === 0) return undefined;
  const across = logScale(
    points.map(({ at }) => at),
    frame.left,
    frame.right,
  );
  const up = logScale(
    points.flatMap(({ spread }) => [spread.min, spread.max]),
    frame.bottom,
    frame.top,
  );
  return picture(width, height, [
    text({ x: 8, y: 20 }, `${growth.name}: ${growth.what}`, "start", 'font-size="14"'),
    ...axes(across, up),
    text({ x: (frame.left + frame.right) / 2, y: height - 16 }, growth.along, "middle"),
    text({ x: 8, y: frame.top - 8 }, growth.unit),
    ...curves.flatMap((curve, index) => drawCurve(curve, index, across, up)),
  ]);
}

function axes(across: LogScale, up: LogScale): readonly string[] {
  return [
    ...across.ticks.flatMap((tick) => {
      const x = across.at(tick);
      return [
        line({ x, y: frame.top }, { x, y: frame.bottom }, "#dddddd"),
        text({ x, y: frame.bottom + 18 }, tick.toLocaleString("en-US"), "middle"),
      ];
    }),
    ...up.ticks.flatMap((tick) => {
      const y = up.at(tick);
      return [
        line({ x: frame.left, y }, { x: frame.right, y }, "#dddddd"),
        text({ x: frame.left - 8, y: y + 4 }, spell(tick), "end"),
      ];
    }),
  ];
}

function drawCurve(
  { contender, points }: Curve,
  index: number,
  across: LogScale,
  up: LogScale,
): readonly string[] {
  const color = colorOf(contender);
  const middles = points.map(({ at, spread }) => ({ x: across.at(at), y: up.at(spread.median) }));
  return [
    polyline(middles, color),
    ...points.map(({ at, spread }) =>
      line({ x: across.at(at), y: up.at(spread.min) }, { x: across.at(at), y: up.at(spread.max) }, color),
    ),
    ...middles.map((middle) => dot(middle, color)),
    text({ x: frame.right + 12, y: frame.top + 14 + index * 18 }, contender, "start", `fill="${color}"`),
  ];
}
