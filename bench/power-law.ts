/**
 * The shape of growth: the exponent of the power law through some points, and the point where one law gives way to another.
 * 0 is flat, 1 is linear.
 */

export interface GrowthPoint {
  readonly at: number;
  readonly value: number;
}

/** By least squares on logarithms: twice the size takes 2 ** exponent times the value. Needs two points. */
export function exponentOf(points: readonly GrowthPoint[]): number {
  return fit(points).slope;
}

export interface Bend {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

/** Smaller differences between exponents are noise. */
const differenceMin = 0.25;

/**
 * The point at which two laws fit best, if they differ significantly. Needs four points: with three, any noise at the middle
 * one would be a bend.
 */
export function bendOf(points: readonly GrowthPoint[]): Bend | undefined {
  if (points.length < 4) return undefined;
  const bends = points.slice(1, -1).map(({ at }, index) => {
    const before = fit(points.slice(0, index + 2));
    const after = fit(points.slice(index + 1));
    return { bend: { at, before: before.slope, after: after.slope }, rest: before.rest + after.rest };
  });
  const best = bends.reduce((least, one) => (one.rest < least.rest ? one : least));
  return Math.abs(best.bend.after - best.bend.before) < differenceMin ? undefined : best.bend;
}

/** `rest` is the sum of squared residuals. */
function fit(points: readonly GrowthPoint[]): { slope: number; rest: number } {
  const [xs, ys] = [points.map(({ at }) => Math.log(at)), points.map(({ value }) => Math.log(value))];
  const [meanX, meanY] = [mean(xs), mean(ys)];
  const products = xs.map((x, index) => (x - meanX) * ((ys[index] ?? Number.NaN) - meanY));
  const squares = xs.map((x) => (x - meanX) ** 2);
  const slope = sum(products) / sum(squares);
  const rests = xs.map((x, index) => ((ys[index] ?? Number.NaN) - meanY - slope * (x - meanX)) ** 2);
  return { slope, rest: sum(rests) };
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
