/** Formats comparisons as rows, and tables as text and Markdown. */
import { costOf, isReached, type Pairing, pairingsOf, peakOf, valuesOf } from "./ratios.js";
import type { Comparison, RecordedSeries, RecordedTarget } from "./record.js";
import { type Spread, spreadOf } from "./statistics.js";
import { megabyte, spell } from "./units.js";

type Row = readonly string[];

export const columns: Row = [
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
];

export const detailColumns: Row = ["scenario", "contender", "further figure", "median (spread)"];

/** A row for each further figure that all runs of a contender have. */
export function detailRowsOf({ name, series }: Comparison): readonly Row[] {
  return series.flatMap(({ contender, samples }) =>
    Object.keys(samples[0]?.details ?? {}).flatMap((figure) => {
      const values = samples.flatMap(({ details }) => details?.[figure] ?? []);
      return values.length === samples.length
        ? [[name, contender, figure, spellSpread(spreadOf(values))]]
        : [];
    }),
  );
}

/** A row for the subject, then one for each peer with its ratio. */
export function rowsOf(comparison: Comparison): readonly Row[] {
  const { name, unit, peers, series, targets, failure } = comparison;
  const [subject] = series;
  if (subject === undefined) {
    return [[name, failure === undefined ? "not measured" : "failed", "", unit, "", "", "", "", "", ""]];
  }
  const ceiling = targets.find(({ kind }) => kind === "ceiling");
  const missing = peers.filter((peer) => !series.some(({ contender }) => contender === peer));
  return [
    [name, ...figure(subject), unit, "", ...judgement(ceiling, subject, []), ...cost(subject)],
    ...pairingsOf(comparison).map(peerRow),
    ...missing.map((peer) => ["", peer, "not installed", "", "", "", "", "", "", ""]),
  ];
}

function peerRow({ subject, peer, ratios, target }: Pairing): Row {
  const ratio = spellSpread(spreadOf(ratios));
  return ["", ...figure(peer), "", ratio, ...judgement(target, subject, ratios), ...cost(peer)];
}

function figure(series: RecordedSeries): Row {
  return [series.contender, spellSpread(spreadOf(valuesOf(series)))];
}

function cost(series: RecordedSeries): Row {
  const { cpuSeconds, per } = costOf(series);
  return [spell(cpuSeconds.median), per, spell(peakOf(series) / megabyte)];
}

function judgement(
  target: RecordedTarget | undefined,
  subject: RecordedSeries,
  ratios: readonly number[],
): Row {
  if (target === undefined) return ["", ""];
  const spelled =
    target.kind === "ceiling" ? `< ${target.atMost}` : `>= ${Number(target.atLeast.toPrecision(3))} x`;
  return [spelled, isReached(target, subject, ratios) ? "yes" : "NO"];
}

export function spellSpread({ median, min, max }: Spread): string {
  return min === max ? spell(median) : `${spell(median)} (${spell(min)}-${spell(max)})`;
}

export function textTable(head: Row, rows: readonly Row[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function markdownTable(head: Row, rows: readonly Row[]): readonly string[] {
  const line = (cells: Row) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}
