/** `npm run bench`: runs scenarios, prints the table and keeps it in `bench/results/`; or compares two results. */
import { access, mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { changesBetween, changesTable, differencesBetween } from "./compare.js";
import { gantryCommandIn } from "./contenders/gantry.js";
import { type RegistryName, registryNames } from "./contenders.js";
import { drawProfiles } from "./profile/profiles.js";
import { progress } from "./progress.js";
import { type RunRecord, recordSchema } from "./record.js";
import { writeResults } from "./report.js";
import { compare, grow, runAll, type Selection } from "./run.js";
import type { Growth, Scenario, Settings } from "./scenario.js";
import { everything, quickSelection, selectionOf, smokeSelection } from "./scenarios/all.js";
import { shapeColumns, shapeRows } from "./shape.js";
import { columns, rowsOf, textTable } from "./table.js";

const roundsMax = 100;
const rounds = { full: 5, quick: 3, smoke: 1 };
/**
 * The time after which nothing more is started or awaited. The rest of five minutes is for the report; the smoke test takes
 * half a minute on an otherwise idle machine.
 */
const budgetSeconds = { quick: 285, smoke: 100 };

const usage = `npm run bench -- [--quick | --smoke] [--rounds N] [--only NAME[,NAME]] [--subject ${registryNames.join("|")}]
npm run bench -- --before CHECKOUT [--quick] [--rounds N] [--only NAME[,NAME]]
npm run bench -- --profile FOLDER [--only NAME[,NAME]]
npm run bench -- compare BEFORE.json AFTER.json
A NAME is a scenario or the beginning of some:
${[...everything.scenarios, ...everything.growths].map(({ name, what }) => `  ${name.padEnd(22)} ${what}`).join("\n")}`;

/** Relative to the working directory, which npm sets to the package's root. */
const resultsFolder = resolve("bench/results");

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      smoke: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string" },
      subject: { type: "string", default: "gantry" },
      before: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  if (positionals.length > 0) return await compareFiles(positionals);
  const effort = values.smoke ? "smoke" : values.quick ? "quick" : "full";
  const checkoutBefore = values.before === undefined ? undefined : await checkoutAt(resolve(values.before));
  const settings = { ...settingsOf(effort, values.rounds, values.subject), checkoutBefore };
  const selection = select(effort, values.only);
  if (values.profile !== undefined) return await profile(selection, settings, resolve(values.profile));
  return await run(selection, settings);
}

type Effort = keyof typeof rounds;

function settingsOf(effort: Effort, wantedRounds: string | undefined, subject: string): Settings {
  const count = wantedRounds === undefined ? rounds[effort] : Number(wantedRounds);
  if (!Number.isInteger(count) || count < 1 || count > roundsMax) {
    throw new Error(`--rounds must be a number from 1 to ${roundsMax}`);
  }
  if (!isRegistryName(subject)) {
    throw new Error(`--subject must be one of ${registryNames.join(", ")}`);
  }
  const seconds = effort === "full" ? Number.POSITIVE_INFINITY : budgetSeconds[effort];
  return {
    quick: effort !== "full",
    rounds: count,
    subject,
    deadline: performance.now() + seconds * 1000,
  };
}

async function checkoutAt(folder: string): Promise<string> {
  try {
    await access(gantryCommandIn(folder));
  } catch {
    throw new Error(`${folder} contains no built Gantry: run "npm ci && npm run build" there`);
  }
  return folder;
}

function isRegistryName(name: string): name is RegistryName {
  return (registryNames as readonly string[]).includes(name);
}

function select(effort: Effort, only: string | undefined): Selection {
  if (only === undefined) {
    return { full: () => everything, quick: quickSelection, smoke: smokeSelection }[effort]();
  }
  const selection = selectionOf(only.split(","));
  if (selection.scenarios.length + selection.growths.length === 0) {
    throw new Error(`no scenario starts with ${only}: npm run bench -- --help lists them`);
  }
  return selection;
}

async function run(selection: Selection, settings: Settings): Promise<number> {
  const record = await runAll(selection, settings);
  const page = await writeResults(resultsFolder, record);
  process.stdout.write(`${textTable(columns, record.comparisons.flatMap(rowsOf))}\n`);
  for (const growth of record.growths) {
    process.stdout.write(`\n${growth.name}, ${growth.unit}\n${textTable(shapeColumns, shapeRows(growth))}\n`);
  }
  progress(`kept in ${page}`);
  return [...record.comparisons, ...record.growths].some(({ failure }) => failure !== undefined) ? 1 : 0;
}

/** Runs Gantry alone for its profiles, which do not show how it compares. */
async function profile(
  { scenarios, growths }: Selection,
  settings: Settings,
  folder: string,
): Promise<number> {
  let failures = 0;
  const profiled = async (
    { name }: Scenario | Growth,
    work: (own: Settings) => ReturnType<typeof compare | typeof grow>,
  ) => {
    const profileFolder = join(folder, name);
    await mkdir(profileFolder, { recursive: true });
    const { failure } = await work({ ...settings, profileFolder });
    if (failure !== undefined) failures += 1;
    process.stdout.write(`${name}\n${(await drawProfiles(profileFolder)).join("\n")}\n`);
  };
  for (const scenario of scenarios) await profiled(scenario, (own) => compare(scenario, own));
  for (const growth of growths) await profiled(growth, (own) => grow(growth, own));
  return failures > 0 ? 1 : 0;
}

/** Returns 1 if something has become worse beyond the noise. */
async function compareFiles([command, early, late]: readonly string[]): Promise<number> {
  if (command !== "compare") throw new Error(`there is no ${command}\n${usage}`);
  if (early === undefined || late === undefined)
    throw new Error("compare needs two files: BEFORE.json AFTER.json");
  const [before, after] = await Promise.all([readRecord(early), readRecord(late)]);
  for (const difference of differencesBetween(before, after)) progress(`not the same ${difference}`);
  const changes = changesBetween(before, after);
  if (changes.length === 0) throw new Error("the two have no scenario in common");
  process.stdout.write(`${changesTable(changes)}\n`);
  return changes.some(({ verdict }) => verdict === "worse") ? 1 : 0;
}

async function readRecord(path: string): Promise<RunRecord> {
  const read = recordSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (!read.success) throw new Error(`${path} is not a results.json of this bench`);
  return read.data;
}

// `exit` runs the handlers that end everything started.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
// A scenario beyond its time still runs: exiting ends it, too.
try {
  process.exit(await main());
} catch (error) {
  progress(error instanceof Error ? error.message : String(error));
  process.exit(2);
}
