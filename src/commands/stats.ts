/** `gantry stats`: space by repository and savings by deduplication. */
import { z } from "zod";
import { count, formatBytes, formatTable } from "../lib/format.js";
import type { RegistryStats } from "../registry/stats.js";
import type { Command } from "./command.js";
import { parseOptions } from "./options.js";

const options = z.object({});

export const stats: Command = {
  name: "stats",
  summary: "report space by repository and savings by deduplication",
  help: `Reports the numbers of blobs, manifests and tags in each repository, their bytes, and how many of these bytes
other repositories share. For the whole store, reports the stored bytes, the deduplication ratio (bytes of all
repositories divided by stored bytes) and open uploads.
`,
  flags: {},
  examples: [
    { command: "gantry stats", what: "print a table" },
    { command: "gantry stats --json | jq .dedupeRatio", what: "read one figure in a script" },
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
