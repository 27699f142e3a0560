/** Describes the shape of each contender's line in a growth. */
import { curvesOf } from "./curves.js";
import { bendOf, exponentOf } from "./power-law.js";
import type { GrowthRecord } from "./record.js";
import { spell } from "./units.js";

export const shapeColumns = [
  "contender",
  "from",
  "to",
  "exponent",
  "bends at",
  "exponent before",
  "and after",
];

export function shapeRows(growth: GrowthRecord): readonly (readonly string[])[] {
  return curvesOf(growth).map(({ contender, points }) => {
    const line = points.map(({ at, spread }) => ({ at, value: spread.median }));
    const bend = bendOf(line);
    const [first, last] = [line[0], line.at(-1)];
    return [
      contender,
      first === undefined ? "" : `${spell(first.value)} at ${first.at}`,
      last === undefined ? "" : `${spell(last.value)} at ${last.at}`,
      line.length < 2 ? "" : exponentOf(line).toFixed(2),
      bend === undefined ? "nowhere" : String(bend.at),
      bend === undefined ? "" : bend.before.toFixed(2),
      bend === undefined ? "" : bend.after.toFixed(2),
    ];
  });
}
