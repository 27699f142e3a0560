/** `npm run bench`: runs the scenarios one after the other, prints the table, keeps it in `bench/results/`. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { factsOf, type RegistryName, registryNames } from "./contenders.js";
import { drawProfiles } from "./profile/profiles.js";
import { progress } from "./progress.js";
import { type Comparison, newRecord } from "./record.js";
import { writeResults } from "./report.js";
import type { Scenario, Series, Settings } from "./scenario.js";
import { ciDayScenarios } from "./scenarios/ci-day.js";
import { loginScenarios } from "./scenarios/login.js";
import { memoryScenarios } from "./scenarios/memory.js";
import { metadataScenarios } from "./scenarios/metadata.js";
import { pullScenarios } from "./scenarios/pull.js";
import { pushLargeScenarios } from "./scenarios/push-large.js";
import { pushSmallScenarios } from "./scenarios/push-small.js";
import { rowsOf, textTable } from "./table.js";

const scenarios: readonly Scenario[] = [
  ...pushLargeScenarios,
  ...pushSmallScenarios,
  ...ciDayScenarios,
  ...metadataScenarios,
  ...loginScenarios,
  ...pullScenarios,
  ...memoryScenarios,
];

const usage = `npm run bench -- [--quick] [--rounds N] [--only NAME[,NAME]] [--subject ${registryNames.join("|")}] [--profile FOLDER]
A NAME is a scenario or the beginning of some:
${scenarios.map(({ name, what }) => `  ${name.padEnd(22)} ${what}`).join("\n")}`;

/** Relative to the working directory, which npm sets to the package's root. */
const resultsFolder = resolve("bench/results");
const roundsMax = 100;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string" },
      subject: { type: "string", default: "gantry" },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const settings = settingsOf(values.quick, values.rounds, values.subject);
  if (values.profile !== undefined) return profile(select(values.only), settings, resolve(values.profile));
  const at = new Date().toISOString();
  const comparisons: Comparison[] = [];
  for (const scenario of select(values.only)) {
    comparisons.push(await compare(scenario, settings));
  }
  const measured = comparisons.flatMap(({ series }) => series.map(({ contender }) => contender));
  const contenders = await factsOf(new Set(measured));
  const record = newRecord(settings, { at, contenders, comparisons });
  const page = await writeResults(resultsFolder, record);
  process.stdout.write(`${textTable(comparisons.flatMap(rowsOf))}\n`);
  progress(`kept in ${page}`);
  if (comparisons.some(({ failure }) => failure !== undefined)) {
    process.exitCode = 1;
  }
}

function settingsOf(quick: boolean, rounds: string | undefined, subject: string): Settings {
  const count = rounds === undefined ? (quick ? 3 : 5) : Number(rounds);
  if (!Number.isInteger(count) || count < 1 || count > roundsMax) {
    throw new Error(`--rounds is a number from 1 to ${roundsMax}`);
  }
  if (!isRegistryName(subject)) {
    throw new Error(`--subject is one of ${registryNames.join(", ")}`);
  }
  return { quick, rounds: count, subject, deadline: Number.POSITIVE_INFINITY };
}

function isRegistryName(name: string): name is RegistryName {
  return (registryNames as readonly string[]).includes(name);
}

function select(only: string | undefined): readonly Scenario[] {
  const names = only?.split(",");
  const selected = scenarios.filter(({ name }) => names?.some((wanted) => name.startsWith(wanted)) ?? true);
  if (selected.length === 0) {
    throw new Error(`no such scenario\n${usage}`);
  }
  return selected;
}

/** Runs Gantry alone, for its profiles: how fast it is beside others they do not tell. */
async function profile(selected: readonly Scenario[], settings: Settings, folder: string): Promise<void> {
  for (const scenario of selected) {
    const profileFolder = join(folder, scenario.name);
    await mkdir(profileFolder, { recursive: true });
    const { failure } = await compare(scenario, { ...settings, profileFolder });
    if (failure !== undefined) process.exitCode = 1;
    process.stdout.write(`${scenario.name}\n${(await drawProfiles(profileFolder)).join("\n")}\n`);
  }
}

/** A scenario that fails says so in the table; the others still run. */
async function compare(scenario: Scenario, settings: Settings): Promise<Comparison> {
  progress(`${scenario.name}: ${scenario.what}`);
  const begin = performance.now();
  const outcome = await resultOf(() => scenario.run(settings));
  const { name, what, unit, better, targets, peers } = scenario;
  const seconds = (performance.now() - begin) / 1000;
  return { name, what, unit, better, targets, peers, ...outcome, seconds };
}

async function resultOf(
  run: () => Promise<readonly Series[]>,
): Promise<Pick<Comparison, "series" | "failure">> {
  try {
    return { series: await run() };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    progress(`  failed: ${error instanceof Error ? error.stack : failure}`);
    return { series: [], failure };
  }
}

// Leaving by way of `exit` ends what was started.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
try {
  await main();
} catch (error) {
  progress(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
