/** The comparisons as rows of text, for the terminal and for Markdown. */
import { costOf, isReached, type Pairing, pairingsOf, peakOf, valuesOf } from "./ratios.js";
import type { Comparison, RecordedSeries, RecordedTarget } from "./record.js";
import { type Spread, spreadOf } from "./statistics.js";
import { megabyte, spell } from "./units.js";

const columns = [
  "scenario",
  "contender",
  "figure (spread)",
  "unit",
  "ratio (spread)",
  "target",
  "reached",
  "CPU s",
  "per",
  "peak MB",
] as const;
type Column = (typeof columns)[number];
type Row = Readonly<Partial<Record<Column, string>>>;

/** A row for the subject, then one for each peer with the subject's ratio to it. */
export function rowsOf(comparison: Comparison): readonly Row[] {
  const { name, unit, peers, series, targets, failure } = comparison;
  const [subject] = series;
  if (subject === undefined) {
    return [{ scenario: name, unit, contender: failure === undefined ? "not measured" : "failed" }];
  }
  const ceiling = targets.find(({ kind }) => kind === "ceiling");
  const missing = peers.filter((peer) => !series.some(({ contender }) => contender === peer));
  return [
    { scenario: name, unit, ...figuresOf(subject), ...(ceiling && judgement(ceiling, subject, [])) },
    ...pairingsOf(comparison).map((pairing) => peerRow(pairing)),
    ...missing.map((peer) => ({ contender: peer, "figure (spread)": "not installed" })),
  ];
}

function peerRow({ subject, peer, ratios, target }: Pairing): Row {
  return {
    ...figuresOf(peer),
    "ratio (spread)": spellSpread(spreadOf(ratios)),
    ...(target && judgement(target, subject, ratios)),
  };
}

function figuresOf(series: RecordedSeries): Row {
  const cost = costOf(series);
  return {
    contender: series.contender,
    "figure (spread)": spellSpread(spreadOf(valuesOf(series))),
    "CPU s": spell(cost.cpuSeconds.median),
    per: cost.per,
    "peak MB": spell(peakOf(series) / megabyte),
  };
}

function judgement(target: RecordedTarget, subject: RecordedSeries, ratios: readonly number[]): Row {
  return {
    target: target.kind === "ceiling" ? `< ${target.atMost}` : `>= ${target.atLeast} x`,
    reached: isReached(target, subject, ratios) ? "yes" : "NO",
  };
}

export function spellSpread({ median, min, max }: Spread): string {
  return min === max ? spell(median) : `${spell(median)} (${spell(min)}-${spell(max)})`;
}

export function textTable(rows: readonly Row[]): string {
  const all = [header(), ...rows];
  const widths = columns.map((column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      columns
        .map((column, index) => (row[column] ?? "").padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function markdownTable(rows: readonly Row[]): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(columns),
    line(columns.map(() => "---")),
    ...rows.map((row) => line(columns.map((column) => row[column] ?? ""))),
  ];
}

function header(): Row {
  return Object.fromEntries(columns.map((column) => [column, column]));
}
