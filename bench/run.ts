/** Runs scenarios one after the other within a time budget, and records their results. */
import { factsOf } from "./contenders.js";
import { toolVersions } from "./driver/tools.js";
import { progress } from "./progress.js";
import { type Comparison, type GrowthRecord, newRecord, type RunRecord } from "./record.js";
import { type Growth, peersIn, type Scenario, type Settings } from "./scenario.js";
import { OutOfTime, TimeBudget } from "./time-budget.js";

type Named = Pick<Scenario, "name" | "what">;

export interface Selection {
  readonly scenarios: readonly Scenario[];
  readonly growths: readonly Growth[];
}

/** `settings.deadline` is the end of the run: unfinished scenarios are left out and named. */
export async function runAll({ scenarios, growths }: Selection, settings: Settings): Promise<RunRecord> {
  const at = new Date().toISOString();
  const all = scenarios.length + growths.length;
  const budget = new TimeBudget(settings.deadline, all);
  let begun = 0;
  const comparisons: Comparison[] = [];
  const grown: GrowthRecord[] = [];
  const leftOut: string[] = [];
  /** Its result, or nothing. */
  const unlessLate = async <T>({ name, what }: Named, work: (own: Settings) => Promise<T>) => {
    begun += 1;
    progress(`[${begun} of ${all}] ${name}: ${what}`);
    const own = { ...settings, deadline: budget.deadlineOfNext() };
    try {
      return [await budget.within(() => work(own))];
    } catch (error) {
      if (!(error instanceof OutOfTime)) throw error;
      progress("  no time left");
      leftOut.push(name);
      return [];
    }
  };
  for (const scenario of scenarios) {
    comparisons.push(...(await unlessLate(scenario, (own) => compare(scenario, own))));
  }
  for (const growth of growths) {
    grown.push(...(await unlessLate(growth, (own) => grow(growth, own))));
  }
  const measured = [...comparisons, ...grown.flatMap(({ points }) => points)]
    .flatMap(({ series }) => series)
    .map(({ contender }) => contender);
  const contenders = await factsOf(new Set(measured), settings);
  const tools = await toolVersions();
  return newRecord(settings, { at, contenders, tools, comparisons, growths: grown, leftOut });
}

/** A failed scenario is recorded as such; the others still run. */
export async function compare(scenario: Scenario, settings: Settings): Promise<Comparison> {
  const { name, what, unit, better, targets } = scenario;
  const peers = peersIn(settings, scenario.peers);
  const { result, ...end } = await told(() => scenario.run(settings));
  return { name, what, unit, better, targets, peers, series: result, ...end };
}

/** Like `compare`. */
export async function grow(growth: Growth, settings: Settings): Promise<GrowthRecord> {
  const { name, what, along, unit, better, why } = growth;
  const peers = peersIn(settings, growth.peers);
  const { result, ...end } = await told(() => growth.run(settings));
  return { name, what, along, unit, better, why, peers, points: result, ...end };
}

interface Told<T> {
  readonly result: readonly T[];
  readonly failure?: string;
  readonly seconds: number;
}

async function told<T>(run: () => Promise<readonly T[]>): Promise<Told<T>> {
  const begin = performance.now();
  const seconds = () => (performance.now() - begin) / 1000;
  try {
    return { result: await run(), seconds: seconds() };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    progress(`  failed: ${error instanceof Error ? error.stack : failure}`);
    return { result: [], failure, seconds: seconds() };
  }
}
