/** Measures one size after the other, each with its share of the time. */
import { progress } from "./progress.js";
import type { GrowthPoint, Plan, Series, Settings } from "./scenario.js";
import { TimeBudget } from "./time-budget.js";

/** A line through several points needs fewer rounds at each than a single figure. */
const roundsMax = 3;

export async function along(
  sizes: readonly number[],
  { rounds, deadline }: Settings,
  measureAt: (size: number, plan: Plan) => Promise<readonly Series[]>,
): Promise<readonly GrowthPoint[]> {
  const budget = new TimeBudget(deadline, sizes.length);
  const points: GrowthPoint[] = [];
  for (const at of sizes) {
    if (performance.now() > deadline) {
      progress(`  no time for ${at} and more`);
      break;
    }
    progress(`  at ${at.toLocaleString("en-US")}`);
    const plan = { rounds: Math.min(rounds, roundsMax), deadline: budget.deadlineOfNext() };
    points.push({ at, series: await measureAt(at, plan) });
  }
  return points;
}
