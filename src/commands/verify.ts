/** `gantry verify`: rehashes all content and quarantines damaged files. */
import { z } from "zod";
import { count, formatBytes } from "../lib/format.js";
import type { VerifyReport } from "../registry/verify/report.js";
import type { Command } from "./command.js";
import { untilInterrupted } from "./interruption.js";
import { parseOptions } from "./options.js";

const options = z.object({ dryRun: z.boolean() });

export const verify: Command = {
  name: "verify",
  summary: "rehash all content and quarantine damaged files",
  help: `Reads all content and compares it with its digest. Checks that each manifest has its digest and names only
existing objects, and that tags and referrers point to existing manifests. Lists stray files that do not belong
in the store. Pushes and pulls continue meanwhile.

verify moves damaged files to quarantine/ in the store's directory. Clients then find them missing, and the next
push restores them. It names the tags that cannot be pulled completely.
`,
  flags: { "dry-run": { type: "boolean", description: "only report problems" } },
  examples: [
    { command: "gantry verify", what: "check everything and quarantine damaged files" },
    { command: "gantry verify --dry-run --json", what: "only report, as JSON" },
  ],
  optionsOf: (values) => ({ dryRun: values["dry-run"] === true }),
  run: async ({ services, onProgress, signal }, given) => {
    const { dryRun } = parseOptions(options, given);
    const { verify: verifyStore } = await import("../registry/verify/verify.js");
    const report = await services.cluster.maintenanceLocks.exclusive("verify", () =>
      verifyStore(
        services,
        { dryRun, signal },
        {
          onContent: (done, total) => onProgress({ what: "contents", done, total, unit: "bytes" }),
          onRepository: (done, what) => onProgress({ what, done, unit: "repositories" }),
        },
      ),
    );
    return { report, text: render(report, signal), fine: report.complete && report.problems.length === 0 };
  },
};

const remedies = { quarantined: " (quarantined)", mended: " (mended)", none: "" } as const;

function render(report: VerifyReport, signal: AbortSignal): string {
  const { problems, hurtTags, odd } = report;
  const lines = problems.map(({ repository, tag, digest, what, remedy }) => {
    const where = [repository === undefined ? undefined : repository + (tag ? `:${tag}` : ""), digest];
    const subject = where.filter((part) => part !== undefined).join("@");
    return `${subject === "" ? "" : `${subject}: `}${what}${remedies[remedy]}`;
  });
  lines.push(
    ...hurtTags.map(
      ({ repository, tag, because }) => `tag ${repository}:${tag} is affected: ${because.join("; ")}`,
    ),
    ...odd
      .filter(({ inTheWay, unread }) => !inTheWay && !unread)
      .map(({ path, why }) => `stray file: ${path}: ${why}`),
  );
  if (report.omitted > 0) lines.push(`and ${report.omitted} more`);
  const read = [
    count(report.contents, "content"),
    `${count(report.repositories, "repository", "repositories")} with ${count(report.blobs, "blob")}`,
    count(report.manifests, "manifest"),
    `${count(report.tags, "tag")} checked, ${formatBytes(report.bytesRead)} read`,
  ];
  const found = `${count(problems.length, "problem")}, ${count(hurtTags.length, "tag")} affected`;
  lines.push(`${read.join(", ")}: ${found}${untilInterrupted(report.complete, signal)}`);
  return lines.join("\n");
}
