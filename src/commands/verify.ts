/** `gantry verify`: re-reads and re-hashes everything, and takes aside what is damaged. */
import { z } from "zod";
import type { VerifyReport } from "../registry/verify/report.js";
import type { Command } from "./command.js";
import { count, formatBytes } from "./format.js";
import { parseOptions } from "./options.js";

const options = z.object({ dryRun: z.boolean() });

export const verify: Command = {
  name: "verify",
  summary: "re-read and re-hash everything, and take aside what is damaged",
  help: `Reads every content again and compares it with its digest; checks that manifests are what they are called
by and name what is there, that tags and referrers point to manifests that are there, and names files that
do not belong in the store. Pushes and pulls go on meanwhile.

What is damaged is moved to quarantine/ in the store's folder. Clients then find it absent: the next push
of it brings it back. Tags that cannot be pulled whole are named.
`,
  flags: { "dry-run": { type: "boolean", description: "tell what is wrong and leave it" } },
  examples: [
    { command: "gantry verify", what: "check everything, and take aside what is damaged" },
    { command: "gantry verify --dry-run --json", what: "only tell, for a program" },
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
    return { report, text: render(report), fine: report.complete && report.problems.length === 0 };
  },
};

const remedies = { quarantined: " (quarantined)", mended: " (mended)", none: "" } as const;

function render(report: VerifyReport): string {
  const { problems, hurtTags, odd } = report;
  const lines = problems.map(({ repository, tag, digest, what, remedy }) => {
    const where = [repository === undefined ? undefined : repository + (tag ? `:${tag}` : ""), digest];
    const subject = where.filter((part) => part !== undefined).join("@");
    return `${subject === "" ? "" : `${subject}: `}${what}${remedies[remedy]}`;
  });
  lines.push(
    ...hurtTags.map(
      ({ repository, tag, because }) => `tag ${repository}:${tag} is hurt: ${because.join("; ")}`,
    ),
    ...odd
      .filter(({ inTheWay, unread }) => !inTheWay && !unread)
      .map(({ path, why }) => `odd: ${path}: ${why}`),
  );
  if (report.omitted > 0) lines.push(`and ${report.omitted} more that are not listed`);
  const read = [
    count(report.contents, "content"),
    `${count(report.repositories, "repository", "repositories")} with ${count(report.blobs, "blob")}`,
    count(report.manifests, "manifest"),
    `${count(report.tags, "tag")} checked, ${formatBytes(report.bytesRead)} read`,
  ];
  const found = `${count(problems.length, "problem")}, ${count(hurtTags.length, "tag")} hurt`;
  lines.push(`${read.join(", ")}: ${found}${report.complete ? "" : " until it was ended early"}`);
  return lines.join("\n");
}
