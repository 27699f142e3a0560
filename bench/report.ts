/** Keeps a record under `bench/results/`: as JSON, and as Markdown for people. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunRecord } from "./record.js";
import { markdownTable, rowsOf } from "./table.js";
import { gibibyte, spell } from "./units.js";

/** Makes a folder named after the time of the run; gives the path of the Markdown in it. */
export async function writeResults(folder: string, record: RunRecord): Promise<string> {
  const own = join(folder, record.at.replaceAll(":", "-").slice(0, 19));
  await mkdir(own, { recursive: true });
  await writeFile(join(own, "results.json"), `${JSON.stringify(record, null, 2)}\n`);
  const page = join(own, "results.md");
  await writeFile(page, markdown(record));
  return page;
}

function markdown(record: RunRecord): string {
  const { comparisons, contenders, settings } = record;
  return [
    "# Benchmark results",
    "",
    `${describeRun(record)}. Subject: ${settings.subject}. Each figure: median (least-most) of the rounds; ratios`,
    "are formed pair by pair, and over 1 where the subject is the better one.",
    "",
    ...markdownTable(comparisons.flatMap(rowsOf)),
    "",
    "## Contenders",
    "",
    "| name | version | when it answers a push | settings |",
    "| --- | --- | --- | --- |",
    ...Object.entries(contenders).map(
      ([name, { version, durability, configuration }]) =>
        `| ${name} | ${version} | ${durability} | ${configuration} |`,
    ),
    "",
    "## Scenarios",
    "",
    ...comparisons.map(({ name, what, seconds, failure }) => {
      const end = failure === undefined ? "" : ` Failed: ${failure}`;
      return `- ${name}: ${what} (took ${spell(seconds)} s).${end}`;
    }),
    "",
  ].join("\n");
}

function describeRun({ at, machine, settings }: RunRecord): string {
  const { cores, processor, memoryBytes, kernel, node } = machine;
  const where = `${cores} cores (${processor}), ${spell(memoryBytes / gibibyte)} GiB, Linux ${kernel}`;
  return `${at}, ${where}, Node ${node}, ${settings.rounds} rounds${settings.quick ? ", quick" : ""}`;
}
