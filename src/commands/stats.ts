/** `gantry stats`: space by repository, and what sharing saves. */
import { z } from "zod";
import type { RegistryStats } from "../registry/stats.js";
import type { Command } from "./command.js";
import { count, formatBytes, formatTable } from "./format.js";
import { parseOptions } from "./options.js";

const options = z.object({});

export const stats: Command = {
  name: "stats",
  summary: "tell how much space each repository takes, and what sharing saves",
  help: `Tells of each repository how many blobs, manifests and tags it has, how many bytes they are, and how many
of these other repositories share; and of the whole store the bytes stored, the dedupe ratio (the bytes of
all repositories over the bytes stored) and the uploads that are open.
`,
  flags: {},
  examples: [
    { command: "gantry stats", what: "a table for people" },
    { command: "gantry stats --json | jq .dedupeRatio", what: "one figure for a program" },
  ],
  optionsOf: () => ({}),
  run: async ({ services, onProgress, signal }, given) => {
    parseOptions(options, given);
    const { gatherStats } = await import("../registry/stats.js");
    const report = await gatherStats(services, signal, (done, what) =>
      onProgress({ what, done, unit: "repositories" }),
    );
    return { report, text: render(report), fine: report.unread.length === 0 };
  },
};

function render(report: RegistryStats): string {
  const { repositories, unread, openUploads } = report;
  const rows = repositories.map(({ name, blobs, manifests, tags, bytes, sharedBytes, uniqueBytes }) => [
    name,
    ...[blobs, manifests, tags].map(String),
    ...[bytes, sharedBytes, uniqueBytes].map(formatBytes),
  ]);
  return [
    formatTable([["REPOSITORY", "BLOBS", "MANIFESTS", "TAGS", "SIZE", "SHARED", "UNIQUE"], ...rows]),
    ...unread.map(({ name, why }) => `${name}: cannot be read: ${why}`),
    "",
    `${count(repositories.length, "repository", "repositories")}, ${count(report.contents, "distinct content")} of ${formatBytes(report.contentBytes)}`,
    `${formatBytes(report.logicalBytes)} in ${formatBytes(report.storedBytes)} stored: dedupe ratio ${report.dedupeRatio.toFixed(2)}`,
    `${count(openUploads.sessions, "open upload")} of ${formatBytes(openUploads.bytes)}`,
  ].join("\n");
}
