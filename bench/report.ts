/** Writes a record to `bench/results/`: as JSON, as Markdown for people, and as plots. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lossColumns, lossesIn, lossRow } from "./losses.js";
import { growthLines } from "./plot/growth-lines.js";
import { ratioBars } from "./plot/ratio-bars.js";
import type { Comparison, GrowthRecord, RunRecord } from "./record.js";
import { shapeColumns, shapeRows } from "./shape.js";
import { columns, detailColumns, detailRowsOf, markdownTable, rowsOf } from "./table.js";
import { gibibyte, spell } from "./units.js";

const barsFile = "ratios.svg";
const growthFile = ({ name }: GrowthRecord) => `${name}.svg`;

/** Creates a folder named after the time of the run, and returns the path of its Markdown. */
export async function writeResults(folder: string, record: RunRecord): Promise<string> {
  const own = join(folder, record.at.replaceAll(":", "-").slice(0, 19));
  await mkdir(own, { recursive: true });
  await writeFile(join(own, "results.json"), `${JSON.stringify(record, null, 2)}\n`);
  const plots = plotsOf(record);
  for (const [file, plot] of plots) await writeFile(join(own, file), plot);
  const page = join(own, "results.md");
  await writeFile(page, markdown(record, new Set(plots.keys())));
  return page;
}

/** Plots by file name. */
function plotsOf({ comparisons, growths }: RunRecord): ReadonlyMap<string, string> {
  const bars = ratioBars(comparisons);
  const lines = growths.flatMap((growth) => {
    const plot = growthLines(growth);
    return plot === undefined ? [] : [[growthFile(growth), plot] as const];
  });
  return new Map([...(bars === undefined ? [] : [[barsFile, bars] as const]), ...lines]);
}

function markdown(record: RunRecord, plots: ReadonlySet<string>): string {
  const { comparisons, growths, contenders, tools, settings, leftOut } = record;
  const losses = lossesIn(comparisons);
  const details = comparisons.flatMap(detailRowsOf);
  return [
    "# Benchmark results",
    "",
    `${describeRun(record)}. Subject: ${settings.subject}. Each figure: median (least-most) of the rounds; ratios`,
    "are computed pair by pair, and over 1 if the subject is better.",
    ...(leftOut.length > 0 ? ["", `There was no time for: ${leftOut.join(", ")}.`] : []),
    "",
    ...markdownTable(columns, comparisons.flatMap(rowsOf)),
    "",
    ...(plots.has(barsFile) ? [`![ratios](${barsFile})`, ""] : []),
    `## Where ${settings.subject} loses`,
    "",
    ...(losses.length > 0 ? markdownTable(lossColumns, losses.map(lossRow)) : ["Nowhere in this run."]),
    "",
    ...growths.flatMap((growth) => growthSection(growth, plots)),
    ...(details.length > 0 ? ["## Further figures", "", ...markdownTable(detailColumns, details), ""] : []),
    "## Contenders",
    "",
    ...markdownTable(
      ["name", "version", "when it responds to a push", "settings"],
      Object.entries(contenders).map(([name, { version, durability, configuration }]) => [
        name,
        version,
        durability,
        configuration,
      ]),
    ),
    "",
    "## Scenarios",
    "",
    `The bench itself drives the loads, or ${listOf(tools)} if stated.`,
    "",
    ...comparisons.map(describeScenario),
    "",
  ].join("\n");
}

function listOf(tools: RunRecord["tools"]): string {
  return Object.entries(tools)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
}

function growthSection(growth: GrowthRecord, plots: ReadonlySet<string>): readonly string[] {
  const { name, what, why, failure } = growth;
  const file = growthFile(growth);
  return [
    `## ${name}`,
    "",
    `${what}. ${failure === undefined ? why : `Failed: ${failure}`}`,
    "",
    ...markdownTable(shapeColumns, shapeRows(growth)),
    "",
    ...(plots.has(file) ? [`![${name}](${file})`, ""] : []),
  ];
}

function describeScenario({ name, what, seconds, failure }: Comparison): string {
  const end = failure === undefined ? "" : ` Failed: ${failure}`;
  return `- ${name}: ${what} (took ${spell(seconds)} s).${end}`;
}

function describeRun({ at, machine, settings }: RunRecord): string {
  const { cores, processor, memoryBytes, kernel, node } = machine;
  const where = `${cores} cores (${processor}), ${spell(memoryBytes / gibibyte)} GiB, Linux ${kernel}`;
  return `${at}, ${where}, Node ${node}, ${settings.rounds} rounds${settings.quick ? ", quick" : ""}`;
}
