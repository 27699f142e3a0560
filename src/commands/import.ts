/** `gantry import`: imports from another registry, another store or an OCI layout. */
import { z } from "zod";
import { count, formatBytes } from "../lib/format.js";
import type { Amount, ImportProblem, ImportReport } from "../registry/import/report.js";
import type { Command } from "./command.js";
import { importSource, openSource, sourceFlags, sourceOf } from "./import-source.js";
import { untilInterrupted } from "./interruption.js";
import { parseOptions } from "./options.js";

const options = z.object({
  source: importSource,
  dryRun: z.boolean(),
  rehash: z.boolean(),
  keepTags: z.boolean(),
  referrersTags: z.boolean(),
  robots: z.boolean(),
});

export const importCommand: Command = {
  name: "import",
  summary: "import from another registry, another store or an OCI layout",
  help: `Imports tags, manifests, referrers and blobs, while pushes and pulls continue. It only reads the source. An
interrupted import continues where it stopped when you run it again, and skips what is already there. At the end it
checks that all tags and manifests can be pulled completely. If the source is incomplete, such as a manifest with a
lost layer, import reports the object and skips it. It imports a manifest unchanged, with a warning, if a descriptor
in it has a wrong size, wrong embedded data or a malformed media type; this is not a failure.

--from-distribution imports a CNCF distribution storage directory (its rootdirectory), including untagged manifests.
On the same file system, blobs are linked and take no extra space; otherwise they are copied. You may delete the
directory afterwards. Given the settings file of distribution, it imports the bucket in storage.s3. If this registry's
bucket is in the same store, the store copies the blobs itself.

--from-store imports another store of Gantry, from a folder into a bucket or back: all content, the times of tags, and
with --robots the robot accounts. PLACE is the store's folder, or the path of its server's settings file, of which only
storage.filesystem or storage.s3 is read. Every byte is hashed. That server may run meanwhile: import once while it
serves, and again when it has stopped.

--from-oci imports an OCI image layout, such as gantry export, skopeo and buildx write.

--from-registry imports from a running registry. It sends a password only to the registry itself and to token
servers on its host or on the hosts that --realm-host names.
`,
  flags: {
    ...sourceFlags,
    "keep-tags": {
      type: "boolean",
      description: "keep existing tags that point to another manifest, instead of moving them",
    },
    "referrers-tags": {
      type: "boolean",
      description:
        "also import tags such as sha256-… that only list the referrers of a manifest; skipped by default because the referrers API lists them",
    },
    robots: {
      type: "boolean",
      description:
        "also import the robot accounts of the other store, with their keys; existing ones are kept",
    },
    rehash: {
      type: "boolean",
      description:
        "also hash blobs that are linked or already there; by default their names are trusted, and gantry verify can check them at any time",
    },
    "dry-run": { type: "boolean", description: "report what would be imported, without importing" },
  },
  examples: [
    {
      command: "gantry import --from-distribution /var/lib/registry",
      what: "migrate from CNCF distribution",
    },
    {
      command: "gantry import --config bucket.yml --from-distribution /etc/distribution/config.yml",
      what: "migrate from its bucket",
    },
    {
      command: "gantry import --config bucket.yml --from-store /srv/gantry --robots",
      what: "move from a folder into a bucket",
    },
    {
      command:
        "gantry import --from-registry https://registry.example.com --repository 'team/**' --rate 50MiB",
      what: "copy one team's repositories",
    },
    { command: "gantry import --from-oci ./layout --as team/app:v1", what: "import one image" },
  ],
  creates: true,
  optionsOf: (values) => ({
    source: sourceOf(values),
    dryRun: values["dry-run"] === true,
    rehash: values.rehash === true,
    keepTags: values["keep-tags"] === true,
    // They were pushed to a registry with the API, so that clients may want them.
    referrersTags: values["referrers-tags"] === true || values["from-store"] !== undefined,
    robots: values.robots === true,
  }),
  run: async ({ services, otherStores, onProgress, signal }, given) => {
    const { source, ...how } = parseOptions(options, given);
    const { importFrom } = await import("../registry/import/import.js");
    const report = await importFrom(
      services,
      (onStray, onUndelivered) => openSource(source, otherStores, { onStray, onUndelivered, signal }),
      { ...how, signal },
      (done, total, name, bytes) =>
        onProgress({ what: `${name}, ${formatBytes(bytes)} of blobs`, done, total, unit: "manifests" }),
    );
    return { report, text: render(report, signal), fine: report.complete && report.problems.length === 0 };
  },
};

function render(report: ImportReport, signal: AbortSignal): string {
  const { blobs, dryRun, manifests, tags, problems } = report;
  const lines = problems.map(problemLine);
  lines.push(...report.warnings.map((warning) => `warning: ${problemLine(warning)}`));
  lines.push(...report.odd.map(({ what, why }) => `skipped: ${what}: ${why}`));
  if (report.omitted > 0) lines.push(`and ${report.omitted} more`);
  const come = dryRun ? "would be imported" : "imported";
  const ways = (
    ["wanted", "linked", "cloned", "copied", "copiedInStore", "streamed", "shared", "there"] as const
  )
    .filter((way) => blobs[way].count > 0)
    .map((way) => `${amount(blobs[way])} ${way === "copiedInStore" ? "copied within the store" : way}`);
  lines.push(
    `${count(report.repositories, "repository", "repositories")}: ` +
      `${count(manifests.imported, "manifest")} and ${count(tags.imported + tags.moved, "tag")} ${come}` +
      `${tags.moved > 0 ? ` (${tags.moved} moved)` : ""}, ${manifests.there} and ${tags.there} already there` +
      `${tags.kept > 0 ? `, ${count(tags.kept, "tag")} kept unchanged` : ""}` +
      `${tags.referrers > 0 ? `, ${count(tags.referrers, "referrers tag")} skipped because the referrers API replaces them` : ""}`,
    ...(report.robots.imported + report.robots.there > 0
      ? [`robots: ${report.robots.imported} ${come}, ${report.robots.there} already there`]
      : []),
    `blobs: ${ways.length === 0 ? "none" : ways.join(", ")}`,
    `${count(problems.length, "problem")}, ${count(report.warned, "warning")}${untilInterrupted(report.complete, signal)}`,
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
