/** `gantry import`: brings in what another registry has. */
import { resolve } from "node:path";
import picomatch from "picomatch";
import { z } from "zod";
import { importFrom } from "../registry/import/import.js";
import type { Amount, ImportProblem, ImportReport } from "../registry/import/report.js";
import { openDistribution } from "../transfer/distribution/store.js";
import { type Command, UsageError } from "./command.js";
import { count, formatBytes } from "./format.js";
import { parseOptions } from "./options.js";

const options = z.object({
  /** The folder, as the process that runs the command finds it. */
  distribution: z.string().min(1),
  repositories: z.array(z.string().min(1)),
  dryRun: z.boolean(),
  rehash: z.boolean(),
  keepTags: z.boolean(),
});

export const importCommand: Command = {
  name: "import",
  summary: "bring in what another registry has",
  help: `Brings in all tags, manifests with and without a tag, referrers and blobs from the storage folder of CNCF
distribution (what its rootdirectory is, or docker/registry/v2 in it), while pushes and pulls go on. Blobs
are linked where both lie on one file system, and take no space twice; else they are copied. The source is
only read, and may be removed afterwards. An import that was ended goes on where it was; what is there
already is not done again. At the end it is looked whether all tags and manifests can be pulled whole.

What the source itself cannot give, such as a manifest whose layer is lost, is named and passed over.
`,
  flags: {
    "from-distribution": { type: "string", value: "FOLDER", description: "what to import" },
    repository: {
      type: "string",
      value: "GLOB",
      multiple: true,
      description: "import the repositories whose name matches; * stops at a slash, ** does not",
    },
    "keep-tags": {
      type: "boolean",
      description: "leave tags that point to something else here; else they follow the source",
    },
    rehash: {
      type: "boolean",
      description:
        "hash every blob before it is taken over, and those that are there. Else linked ones are taken to be what their name says, which gantry verify looks at at any time",
    },
    "dry-run": { type: "boolean", description: "tell what would come, and import nothing" },
  },
  examples: [
    { command: "gantry import --from-distribution /var/lib/registry", what: "bring in everything" },
    {
      command: "gantry import --from-distribution /var/lib/registry --repository 'team/**' --dry-run",
      what: "tell what would come of one team's",
    },
  ],
  creates: true,
  optionsOf: (values) => {
    const folder = values["from-distribution"];
    if (typeof folder !== "string" || folder === "") throw new UsageError("--from-distribution is missing");
    const { repository } = values;
    return {
      distribution: resolve(folder),
      repositories: Array.isArray(repository) ? repository : [],
      dryRun: values["dry-run"] === true,
      rehash: values.rehash === true,
      keepTags: values["keep-tags"] === true,
    };
  },
  run: async ({ services, onProgress, signal }, given) => {
    const { distribution, repositories, ...how } = parseOptions(options, given);
    const matches = picomatch(repositories.length > 0 ? repositories : ["**"], { dot: true });
    const report = await importFrom(
      services,
      (onOdd) => openDistribution({ path: distribution, wants: (name) => matches(name), onOdd }),
      { ...how, signal },
      (done, total, name, bytes) =>
        onProgress({ what: `${name}, ${formatBytes(bytes)} of blobs`, done, total, unit: "manifests" }),
    );
    return { report, text: render(report), fine: report.complete && report.problems.length === 0 };
  },
};

function render(report: ImportReport): string {
  const { blobs, dryRun, manifests, tags, problems } = report;
  const lines = problems.map(problemLine);
  lines.push(...report.odd.map(({ what, why }) => `odd: ${what}: ${why}`));
  if (report.omitted > 0) lines.push(`and ${report.omitted} more that are not listed`);
  const come = dryRun ? "would be imported" : "imported";
  const ways = (["wanted", "linked", "cloned", "copied", "streamed", "shared", "there"] as const)
    .filter((way) => blobs[way].count > 0)
    .map((way) => `${amount(blobs[way])} ${way}`);
  lines.push(
    `${count(report.repositories, "repository", "repositories")}: ` +
      `${count(manifests.imported, "manifest")} and ${count(tags.imported + tags.moved, "tag")} ${come}` +
      `${tags.moved > 0 ? ` (${tags.moved} moved)` : ""}, ${manifests.there} and ${tags.there} were there` +
      `${tags.kept > 0 ? `, ${count(tags.kept, "tag")} kept where they point` : ""}`,
    `blobs: ${ways.length === 0 ? "none" : ways.join(", ")}`,
    `${count(problems.length, "problem")}${report.complete ? "" : " until it was ended early; run it again to go on"}`,
  );
  return lines.join("\n");
}

function amount({ count: number, bytes }: Amount): string {
  return `${number} (${formatBytes(bytes)})`;
}

function problemLine({ repository, tag, digest, what }: ImportProblem): string {
  const where = [repository === undefined ? undefined : repository + (tag ? `:${tag}` : ""), digest];
  const subject = where.filter((part) => part !== undefined).join("@");
  return subject === "" ? what : `${subject}: ${what}`;
}
