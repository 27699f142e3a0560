/** `gantry gc`: lists or removes tags that no retention rule keeps, and unreferenced content. */
import { z } from "zod";
import { durationSeconds } from "../config/values.js";
import { type CollectedRepository, type GarbageReport, isNothing } from "../gc/report.js";
import { count, formatBytes } from "../lib/format.js";
import type { RetentionReport } from "../registry/apply-retention.js";
import type { CollectOptions, Progress } from "../registry/collect-garbage.js";
import { type Services, withRulesOfNow } from "../registry/services.js";
import { type Command, type FlagValues, UsageError } from "./command.js";
import { untilInterrupted } from "./interruption.js";
import { parseOptions } from "./options.js";

const options = z.object({
  dryRun: z.boolean(),
  /** `null` keeps untagged manifests forever. If absent, the setting applies. */
  untagged: z.number().nonnegative().nullable().optional(),
});

export const gc: Command = {
  name: "gc",
  summary: "list or remove unreferenced content",
  help: `Lists content that is no longer needed, and removes it with --delete, while pushes and pulls continue: tags that
no retention rule keeps, blobs that no manifest in their repository names, contents that no repository has and,
if gc.untagged or --untagged sets an age, manifests without tag, index or subject. Leases protect content that a
client has recently pushed or read; gc counts the unreferenced blobs among it, and tells until when. An empty repository leaves the
catalog. If a tag or manifest cannot be read, gc reports it, keeps everything it may refer to, and exits with 1.
`,
  flags: {
    delete: { type: "boolean", description: "remove the listed content" },
    "dry-run": { type: "boolean", description: "only list, the default without --delete" },
    untagged: {
      type: "string",
      value: "TIME",
      description:
        "remove untagged manifests pushed longer ago than this, such as 168h; never keeps them (default: the setting gc.untagged)",
    },
  },
  examples: [
    { command: "gantry gc", what: "list unreferenced content" },
    { command: "gantry gc --delete", what: "remove it as well" },
    { command: "gantry gc --delete --untagged 168h", what: "also remove manifests untagged for a week" },
  ],
  optionsOf: (values) => {
    if (values.delete === true && values["dry-run"] === true)
      throw new UsageError("--delete and --dry-run contradict each other: give one of them");
    return { dryRun: values.delete !== true, ...untaggedOf(values) };
  },
  run: async ({ services, config, onProgress, signal }, given) => {
    const { dryRun, untagged = config.gc.untagged ?? null } = parseOptions(options, given);
    const { garbage, retention } = await collectOnce(
      services,
      { dryRun, signal, untaggedSeconds: untagged ?? undefined },
      (done, what) => onProgress({ what, done, unit: "repositories" }),
    );
    const complete = !signal.aborted;
    const told =
      retention.unread.length === 0 && !garbage.repositories.some(({ skipped }) => skipped !== undefined);
    const text = render(retention, garbage, {
      leaseSeconds: config.gc.lease,
      keepsUntagged: untagged === null,
      interruption: untilInterrupted(complete, signal),
    });
    return { report: { retention, garbage, complete }, text, fine: complete && told };
  },
};

/**
 * Applies the retention rules, then collects garbage. Waits for a collection that is already running. Rules that change
 * meanwhile apply to the next collection.
 */
export async function collectOnce(
  currentServices: Services,
  options: CollectOptions,
  onProgress?: Progress,
): Promise<{ retention: RetentionReport; garbage: GarbageReport }> {
  const [{ applyRetention }, { collectGarbage }] = await Promise.all([
    import("../registry/apply-retention.js"),
    import("../registry/collect-garbage.js"),
  ]);
  const collect = async () => {
    const services = withRulesOfNow(currentServices);
    const retention = await applyRetention(services, options, onProgress);
    const expired = new Map(
      retention.repositories.map(({ name, tags }) => [name, new Set(tags.map(({ tag }) => tag))]),
    );
    // Only a dry run passes expired tags on: otherwise they are already removed, and one may have been pushed again.
    const collecting = options.dryRun ? { ...options, expired } : options;
    return { retention, garbage: await collectGarbage(services, collecting, onProgress) };
  };
  const { cluster, gcStats } = currentServices;
  return cluster.maintenanceLocks.exclusive("collect", () =>
    options.dryRun ? collect() : gcStats.count(collect, resultOf, options.signal),
  );
}

function resultOf({ retention, garbage }: { retention: RetentionReport; garbage: GarbageReport }) {
  const { manifests, blobs, orphans: contents, bytesFreed: freedBytes } = garbage;
  return { removed: { tags: retention.tags, manifests, blobs, contents }, freedBytes };
}

function untaggedOf({ untagged }: FlagValues): { untagged?: number | null } {
  if (typeof untagged !== "string") return {};
  if (untagged === "never") return { untagged: null };
  const seconds = durationSeconds(untagged);
  if (seconds === undefined)
    throw new UsageError(`--untagged: ${untagged} is neither a time such as 168h nor never`);
  return { untagged: seconds };
}

interface Circumstances {
  readonly leaseSeconds: number;
  readonly keepsUntagged: boolean;
  /** What follows the totals if the collection did not run to the end. */
  readonly interruption: string;
}

function render(
  retention: RetentionReport,
  garbage: GarbageReport,
  { leaseSeconds, keepsUntagged, interruption }: Circumstances,
): string {
  const removed = garbage.dryRun ? "would be removed" : "removed";
  const { manifests, blobs, leased, spared, orphans, bytesFreed, kept, protectedUntil } = garbage;
  const lines = [
    ...retention.repositories.flatMap(({ name, tags }) =>
      tags.map(({ tag, rule, why }) => `${name}:${tag}: expired by the rule ${rule}: ${why}`),
    ),
    ...retention.unread.map(({ name, why }) => `${name}: left as it is: ${why}`),
    ...garbage.repositories.flatMap(linesOf),
    `${count(retention.tags, "tag")}, ${count(manifests, "manifest")}, ${count(blobs, "blob")} and ` +
      `${count(orphans, "orphaned content")} ${removed}: ${formatBytes(bytesFreed)}${interruption}`,
  ];
  if (garbage.emptied.length > 0)
    lines.push(
      ...garbage.emptied.map((name) => `${name}: is empty`),
      `${count(garbage.emptied.length, "empty repository", "empty repositories")} ${removed}`,
    );
  if (leased > 0)
    lines.push(
      `${count(leased, "unreferenced blob")} protected by leases, until ${timeText(Date.now() + leaseSeconds * 1000)} ` +
        "at the latest if no client asks for them again",
    );
  if (spared > 0)
    lines.push(
      `${count(spared, "manifest")} without a tag kept with their blobs: pushed too recently for --untagged or gc.untagged, ` +
        "or protected by leases",
    );
  if (kept !== undefined)
    lines.push(
      `${count(kept.contents, "content")} of no repository kept until ${timeText(kept.until)} at the latest, because a ` +
        `push may still share them: collect again then to free ${formatBytes(kept.bytes)}`,
    );
  if (protectedUntil !== undefined) {
    lines.push(
      `Everything is protected until ${timeText(protectedUntil)}: the record of leases is incomplete, after a crash or because there were ` +
        "too many (a shorter gc.lease avoids that).",
    );
  }
  if (interruption === "" && retention.tags === 0 && isNothing(garbage))
    lines.push(
      keepsUntagged
        ? "There is nothing to remove. Manifests without a tag are kept with their blobs; --untagged TIME removes them."
        : "There is nothing to remove.",
    );
  else if (garbage.dryRun) lines.push("Nothing has been removed; use --delete to remove.");
  return lines.join("\n");
}

function timeText(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

function linesOf({ name, manifests, blobs, leased, skipped }: CollectedRepository): string[] {
  const lines = [
    ...manifests.map((digest) => `${name}: manifest ${digest}`),
    ...blobs.map((digest) => `${name}: blob ${digest}`),
  ];
  if (leased > 0 && lines.length > 0)
    lines.push(`${name}: ${count(leased, "unreferenced blob")} protected by leases`);
  if (skipped !== undefined) lines.push(`${name}: left as it is: ${skipped}`);
  return lines;
}
