/** `gantry import`: brings in what another registry, or an OCI layout, has. */
import { z } from "zod";
import type { Amount, ImportProblem, ImportReport } from "../registry/import/report.js";
import type { Command } from "./command.js";
import { count, formatBytes } from "./format.js";
import { importSource, openSource, sourceFlags, sourceOf } from "./import-source.js";
import { parseOptions } from "./options.js";

const options = z.object({
  source: importSource,
  dryRun: z.boolean(),
  rehash: z.boolean(),
  keepTags: z.boolean(),
  referrersTags: z.boolean(),
});

export const importCommand: Command = {
  name: "import",
  summary: "bring in what another registry has",
  help: `Brings in tags, manifests, referrers and blobs, while pushes and pulls go on. The source is only read. An import
that was ended goes on where it was; what is there already is not done again. At the end it is looked whether
all tags and manifests can be pulled whole. What the source itself cannot give, such as a manifest whose layer
is lost, is named and passed over. A manifest with a descriptor whose size or embedded data is not its content's
comes as it is, with a warning; that is no failure.

--from-distribution takes the storage folder of CNCF distribution (what its rootdirectory is), with manifests
that have no tag. Blobs are linked where both lie on one file system, and take no space twice; else they are
copied. The folder may be removed afterwards.

--from-oci takes an OCI image layout, such as gantry export, skopeo and buildx make.

--from-registry takes what a registry lists and serves. A password goes to the registry alone, and to token
servers on its host or on those that --realm-host names.
`,
  flags: {
    ...sourceFlags,
    "keep-tags": {
      type: "boolean",
      description: "leave tags that point to something else here; else they follow the source",
    },
    "referrers-tags": {
      type: "boolean",
      description:
        "take tags such as sha256-… too that only list what refers to a manifest. Else they are left out, since the referrers API lists it",
    },
    rehash: {
      type: "boolean",
      description:
        "hash blobs also where they are linked or there already. Else these are taken to be what their name says, which gantry verify looks at at any time",
    },
    "dry-run": { type: "boolean", description: "tell what would come, and import nothing" },
  },
  examples: [
    {
      command: "gantry import --from-distribution /var/lib/registry",
      what: "move in from CNCF distribution",
    },
    {
      command:
        "gantry import --from-registry https://registry.example.com --repository 'team/**' --rate 50MiB",
      what: "copy one team's repositories",
    },
    { command: "gantry import --from-oci ./layout --as team/app:v1", what: "bring in one image" },
  ],
  creates: true,
  optionsOf: (values) => ({
    source: sourceOf(values),
    dryRun: values["dry-run"] === true,
    rehash: values.rehash === true,
    keepTags: values["keep-tags"] === true,
    referrersTags: values["referrers-tags"] === true,
  }),
  run: async ({ services, onProgress, signal }, given) => {
    const { source, ...how } = parseOptions(options, given);
    const { importFrom } = await import("../registry/import/import.js");
    const report = await importFrom(
      services,
      (onStray) => openSource(source, onStray, signal),
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
  lines.push(...report.warnings.map((warning) => `warning: ${problemLine(warning)}`));
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
      `${tags.kept > 0 ? `, ${count(tags.kept, "tag")} kept where they point` : ""}` +
      `${tags.referrers > 0 ? `, ${count(tags.referrers, "referrers tag")} left out, which the referrers API makes needless` : ""}`,
    `blobs: ${ways.length === 0 ? "none" : ways.join(", ")}`,
    `${count(problems.length, "problem")}, ${count(report.warned, "warning")}${report.complete ? "" : " until it was ended early; run it again to go on"}`,
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
