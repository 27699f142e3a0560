/** Turns results into a table for the terminal, Markdown and JSON for `bench/results/`. */
import { mkdir, writeFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Scenario, Series, Settings, Target } from "./scenario.js";
import { median, pairRatios, type Spread, spreadOf } from "./statistics.js";
import { gibibyte, spell } from "./units.js";

export interface Outcome {
  readonly scenario: Scenario;
  readonly series: readonly Series[];
  /** Why there is no figure, when there is none. */
  readonly failure?: string;
  readonly seconds: number;
}

const columns = [
  "scenario",
  "unit",
  "subject",
  "peer",
  "ratio (spread)",
  "target",
  "reached",
  "CPU s",
] as const;
type Row = readonly string[];

/** One row for each peer; a scenario without any peer still shows the subject. */
export function rowsOf({ scenario, series, failure }: Outcome): readonly Row[] {
  const [subject, ...peers] = series;
  if (subject === undefined) {
    return [
      [
        scenario.name,
        scenario.unit,
        failure === undefined ? "not measured" : "failed",
        "-",
        "-",
        spellTarget(scenario.target),
        "-",
        "-",
      ],
    ];
  }
  const missing = scenario.peers.filter((name) => !peers.some((peer) => peer.contender === name));
  const rows = peers.map((peer) => {
    const ratio = spreadOf(pairRatios(valuesOf(subject), valuesOf(peer)));
    const judged = scenario.target.kind === "ceiling" || scenario.target.peer === peer.contender;
    return [
      scenario.name,
      scenario.unit,
      spellSpread(spreadOf(valuesOf(subject))),
      `${peer.contender} ${spellSpread(spreadOf(valuesOf(peer)))}`,
      spellSpread(ratio),
      judged ? spellTarget(scenario.target) : "beside",
      judged ? spellVerdict(verdict(scenario.target, subject, ratio)) : "-",
      `${spell(cpuOf(subject))} : ${spell(cpuOf(peer))}`,
    ];
  });
  const alone = missing.map((name) => {
    const reached =
      scenario.target.kind === "ceiling" ? spellVerdict(verdict(scenario.target, subject)) : "-";
    const own = spellSpread(spreadOf(valuesOf(subject)));
    return [
      scenario.name,
      scenario.unit,
      own,
      `${name} is missing`,
      "-",
      spellTarget(scenario.target),
      reached,
      spell(cpuOf(subject)),
    ];
  });
  return [...rows, ...alone];
}

/** By the median; undefined without the peer that the target names. */
function verdict(target: Target, subject: Series, ratio?: Spread): boolean | undefined {
  if (target.kind === "ceiling") {
    return spreadOf(valuesOf(subject)).max < target.atMost;
  }
  return ratio === undefined ? undefined : ratio.median >= target.atLeast;
}

function spellVerdict(reached: boolean | undefined): string {
  return reached === undefined ? "-" : reached ? "yes" : "NO";
}

function spellTarget(target: Target): string {
  return target.kind === "ceiling" ? `< ${target.atMost}` : `>= ${target.atLeast} x ${target.peer}`;
}

function spellSpread({ median, min, max }: Spread): string {
  return min === max ? spell(median) : `${spell(median)} (${spell(min)}-${spell(max)})`;
}

function valuesOf(series: Series): readonly number[] {
  return series.samples.map((sample) => sample.value);
}

function cpuOf(series: Series): number {
  return median(series.samples.map((sample) => sample.cpuSeconds));
}

export function textTable(rows: readonly Row[]): string {
  const all = [columns, ...rows];
  const widths = columns.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function markdown(outcomes: readonly Outcome[], settings: Settings, rows: readonly Row[]): string {
  const line = (row: Row) => `| ${row.join(" | ")} |`;
  return [
    "# Benchmark results",
    "",
    `${describeRun(settings)}. Subject: ${settings.subject}. Each figure: median (least-most) of the rounds; ratios are formed pair by pair.`,
    "",
    line(columns),
    line(columns.map(() => "---")),
    ...rows.map(line),
    "",
    ...outcomes.map(({ scenario, seconds, failure }) => {
      const end = failure === undefined ? "" : ` Failed: ${failure}`;
      return `- ${scenario.name}: ${scenario.what} (took ${spell(seconds)} s).${end}`;
    }),
    "",
  ].join("\n");
}

function describeRun(settings: Settings): string {
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model ?? arch()}), ${spell(totalmem() / gibibyte)} GiB, Linux ${release()}`;
  return `${new Date().toISOString()}, ${machine}, Node ${process.version}, ${settings.rounds} rounds${settings.quick ? ", quick" : ""}`;
}

/** Writes `<time>.json` with every sample and `<time>.md` with the table; gives the latter's path. */
export async function writeResults(
  folder: string,
  outcomes: readonly Outcome[],
  settings: Settings,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const stem = join(folder, new Date().toISOString().replaceAll(":", "-").slice(0, 19));
  const record = {
    run: describeRun(settings),
    settings,
    outcomes: outcomes.map(({ scenario: { name, what, unit, target }, ...rest }) => ({
      name,
      what,
      unit,
      target,
      ...rest,
    })),
  };
  await writeFile(`${stem}.json`, `${JSON.stringify(record, null, 2)}\n`);
  const rows = outcomes.flatMap(rowsOf);
  await writeFile(`${stem}.md`, markdown(outcomes, settings, rows));
  return `${stem}.md`;
}
