/**
 * The results of a bench run: every sample, and the facts needed to read it. This schema is the format of `results.json`;
 * table, Markdown, plots and comparisons are derived from it alone.
 */
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { z } from "zod";

/** Incremented when readers of older files would fail. */
const format = 1;

const sampleSchema = z.object({
  /** In the scenario's unit. */
  value: z.number(),
  /** Wall seconds of the timed part. */
  seconds: z.number(),
  /** CPU seconds of the server, its threads and its child processes, in the timed part. */
  cpuSeconds: z.number(),
  /** CPU seconds of the load driver, if it is the bench itself; autocannon is, wrk is not. */
  driverCpuSeconds: z.number(),
  /** The largest resident set of the server, or of one of its nodes, during the run. */
  peakBytes: z.number(),
  /** Bytes of blobs transferred in the timed part. */
  bytes: z.number().optional(),
  /** Requests answered in the timed part. */
  requests: z.number().optional(),
  /** Further figures, by name with unit. */
  details: z.record(z.string(), z.number()).optional(),
});

/** The runs of one contender, in the order of the rounds. */
const seriesSchema = z.object({ contender: z.string(), samples: z.array(sampleSchema).min(1).readonly() });

const targetSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("ratio"), peer: z.string(), atLeast: z.number() }),
  z.object({ kind: z.literal("ceiling"), atMost: z.number() }),
]);

const comparisonSchema = z.object({
  name: z.string(),
  what: z.string(),
  unit: z.string(),
  better: z.enum(["more", "less"]),
  targets: z.array(targetSchema).readonly(),
  /** Planned contenders; those that are not installed have no series. */
  peers: z.array(z.string()).readonly(),
  /** The subject's series is first. Empty if the scenario failed or was left out. */
  series: z.array(seriesSchema).readonly(),
  /** Why there are no figures. */
  failure: z.string().optional(),
  /** Total duration. */
  seconds: z.number(),
});

/** How a figure depends on a size. */
const growthSchema = z.object({
  name: z.string(),
  what: z.string(),
  /** The growing size, as the plot's axis names it. */
  along: z.string(),
  unit: z.string(),
  better: z.enum(["more", "less"]),
  /** Why the subject's line has its bend. */
  why: z.string(),
  peers: z.array(z.string()).readonly(),
  /** From small to large. */
  points: z.array(z.object({ at: z.number(), series: z.array(seriesSchema).readonly() })).readonly(),
  /** Why there are no figures. */
  failure: z.string().optional(),
  seconds: z.number(),
});

export const recordSchema = z.object({
  format: z.literal(format),
  /** Start time, in ISO 8601. */
  at: z.string(),
  machine: z.object({
    cores: z.number(),
    processor: z.string(),
    memoryBytes: z.number(),
    kernel: z.string(),
    node: z.string(),
  }),
  settings: z.object({ quick: z.boolean(), rounds: z.number(), subject: z.string() }),
  /** Facts about the measured contenders, by name. */
  contenders: z.record(
    z.string(),
    z.object({ version: z.string(), durability: z.string(), configuration: z.string() }),
  ),
  /** Versions of the load tools, by name. */
  tools: z.record(z.string(), z.string()),
  comparisons: z.array(comparisonSchema).readonly(),
  growths: z.array(growthSchema).readonly(),
  /** Planned scenarios without time. */
  leftOut: z.array(z.string()).readonly(),
});

export type RunRecord = Readonly<z.infer<typeof recordSchema>>;
export type Comparison = Readonly<z.infer<typeof comparisonSchema>>;
export type GrowthRecord = Readonly<z.infer<typeof growthSchema>>;
export type RecordedSeries = Readonly<z.infer<typeof seriesSchema>>;
export type RecordedTarget = Readonly<z.infer<typeof targetSchema>>;

function describeMachine(): RunRecord["machine"] {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? "unknown",
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  };
}

export function newRecord(
  settings: RunRecord["settings"],
  results: Pick<RunRecord, "at" | "contenders" | "tools" | "comparisons" | "growths" | "leftOut">,
): RunRecord {
  const { quick, rounds, subject } = settings;
  return { format, machine: describeMachine(), settings: { quick, rounds, subject }, ...results };
}
