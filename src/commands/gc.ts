/** `gantry gc`: what the retention rules no longer keep and what no manifest names; a plan, or the deed. */
import { z } from "zod";
import { durationSeconds } from "../config/values.js";
import { type CollectedRepository, type GarbageReport, isNothing } from "../gc/report.js";
import type { RetentionReport } from "../registry/apply-retention.js";
import type { CollectOptions, Progress } from "../registry/collect-garbage.js";
import type { Services } from "../registry/services.js";
import { type Command, type FlagValues, UsageError } from "./command.js";
import { count, formatBytes } from "./format.js";
import { parseOptions } from "./options.js";

const options = z.object({
  dryRun: z.boolean(),
  /** `null`: for ever. Absent: as the settings have it. */
  untagged: z.number().nonnegative().nullable().optional(),
});

export const gc: Command = {
  name: "gc",
  summary: "tell what nobody wants any more, or remove it",
  help: `Tells what nobody wants any more, and with --delete removes it, while pushes and pulls go on: tags that the
retention rules no longer keep, blobs that no manifest of their repository names, contents that no
repository has, and, if there is a policy, manifests that no tag, no index and no subject keeps. What a
client was told of lately is protected by a lease and stays. A repository that has nothing any more leaves the
catalog. What cannot be read is named and left, with all that it may name; the command then ends with 1.
`,
  flags: {
    delete: { type: "boolean", description: "remove it" },
    "dry-run": { type: "boolean", description: "tell what would go, and leave it, as without --delete" },
    untagged: {
      type: "string",
      value: "TIME",
      description:
        "remove manifests without a tag that were pushed longer ago than this, such as 168h; never keeps them. Else it is as the setting gc.untagged has it",
    },
  },
  examples: [
    { command: "gantry gc", what: "tell what would go" },
    { command: "gantry gc --delete", what: "remove it" },
    { command: "gantry gc --delete --untagged 168h", what: "and manifests that had no tag for a week" },
  ],
  optionsOf: (values) => {
    if (values.delete === true && values["dry-run"] === true)
      throw new UsageError("--delete removes what --dry-run would leave: give one of them");
    return { dryRun: values.delete !== true, ...untaggedOf(values) };
  },
  run: async ({ services, config, onProgress, signal }, given) => {
    const { dryRun, untagged = config.gc.untagged ?? null } = parseOptions(options, given);
    const report = await collectOnce(
      services,
      { dryRun, signal, untaggedSeconds: untagged ?? undefined },
      (done, what) => onProgress({ what, done, unit: "repositories" }),
    );
    const { garbage, retention } = report;
    const told =
      retention.unread.length === 0 && !garbage.repositories.some(({ skipped }) => skipped !== undefined);
    const fine = !signal.aborted && told;
    return { report, text: render(report.retention, report.garbage), fine };
  },
};

/** Applies the retention rules and collects, when nobody else does. */
export async function collectOnce(
  services: Services,
  options: CollectOptions,
  onProgress?: Progress,
): Promise<{ retention: RetentionReport; garbage: GarbageReport }> {
  const [{ applyRetention }, { collectGarbage }] = await Promise.all([
    import("../registry/apply-retention.js"),
    import("../registry/collect-garbage.js"),
  ]);
  const collect = async () => {
    const retention = await applyRetention(services, options, onProgress);
    const expired = new Map(
      retention.repositories.map(({ name, tags }) => [name, new Set(tags.map(({ tag }) => tag))]),
    );
    // Of tags that are removed the collector need not be told, and one may be back by now.
    const collecting = options.dryRun ? { ...options, expired } : options;
    return { retention, garbage: await collectGarbage(services, collecting, onProgress) };
  };
  return services.cluster.maintenanceLocks.exclusive("collect", () =>
    options.dryRun ? collect() : services.gcStats.count(collect, resultOf, options.signal),
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

function render(retention: RetentionReport, garbage: GarbageReport): string {
  const removed = garbage.dryRun ? "would be removed" : "removed";
  const { manifests, blobs, orphans, bytesFreed, protectedUntil } = garbage;
  const lines = [
    ...retention.repositories.flatMap(({ name, tags }) =>
      tags.map(({ tag, rule, why }) => `${name}:${tag}: by the rule ${rule}: ${why}`),
    ),
    ...retention.unread.map(({ name, why }) => `${name}: left as it is: ${why}`),
    ...garbage.repositories.flatMap(linesOf),
    `${count(retention.tags, "tag")}, ${count(manifests, "manifest")}, ${count(blobs, "blob")} and ` +
      `${count(orphans, "orphaned content")} ${removed}: ${formatBytes(bytesFreed)}`,
  ];
  if (garbage.emptied.length > 0)
    lines.push(
      ...garbage.emptied.map((name) => `${name}: has nothing in it`),
      `${count(garbage.emptied.length, "empty repository", "empty repositories")} ${removed}`,
    );
  if (protectedUntil !== undefined) {
    const until = new Date(protectedUntil).toISOString();
    lines.push(
      `Everything is protected until ${until}: not all that clients were told of is known, after a crash or ` +
        "where it was more than can be remembered (there a shorter REGISTRY_GC_LEASE helps).",
    );
  }
  if (retention.tags === 0 && isNothing(garbage)) lines.push("There is nothing to remove.");
  else if (garbage.dryRun) lines.push("Nothing has been removed: --delete does it.");
  return lines.join("\n");
}

function linesOf({ name, manifests, blobs, leased, skipped }: CollectedRepository): string[] {
  const lines = [
    ...manifests.map((digest) => `${name}: manifest ${digest}`),
    ...blobs.map((digest) => `${name}: blob ${digest}`),
  ];
  if (leased > 0 && lines.length > 0)
    lines.push(`${name}: ${count(leased, "unnamed blob")} protected by leases`);
  if (skipped !== undefined) lines.push(`${name}: left as it is: ${skipped}`);
  return lines;
}
