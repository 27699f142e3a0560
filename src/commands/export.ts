/** `gantry export`: writes images to an OCI image layout. */
import { resolve } from "node:path";
import { z } from "zod";
import { isDigest } from "../domain/digest.js";
import { nameMatcher, patternFault } from "../domain/patterns.js";
import { count, formatBytes } from "../lib/format.js";
import type { ExportReport } from "../registry/export/report.js";
import type { Selection } from "../registry/export/select.js";
import { type Command, UsageError } from "./command.js";
import { untilInterrupted } from "./interruption.js";
import { parseOptions } from "./options.js";

const options = z.object({
  references: z.array(z.string().min(1).max(512)).min(1).max(1000),
  folder: z.string().min(1),
  referrers: z.boolean(),
});

export const exportCommand: Command = {
  name: "export",
  summary: "write images to an OCI layout",
  help: `Writes images and all objects that they name to an OCI image layout, while pushes and pulls continue. It creates
FOLDER, or adds to it if it already is a layout. Other tools can read it: skopeo copy oci:FOLDER:TAG docker://…

A REFERENCE is NAME:TAG, NAME@DIGEST, or NAME for all its tags. NAME and TAG may be globs; * stops at a slash, **
does not. In the layout, an image has its tag as its name, or NAME:TAG if there are several repositories. An image
exported by digest has no name.
`,
  flags: {
    referrers: { type: "boolean", description: "also export referrers of the images: signatures, SBOMs" },
  },
  parameters: [
    { name: "REFERENCE", description: "an image, or a pattern for several" },
    { name: "FOLDER", description: "the target directory, after any further references", variadic: true },
  ],
  examples: [
    { command: "gantry export team/app:v1 ./layout", what: "one image" },
    {
      command: "gantry export --referrers 'team/**:v*' tools/lint ./layout",
      what: "several images with their signatures",
    },
  ],
  optionsOf: (values, parameters) => {
    const references = parameters.slice(0, -1);
    const folder = parameters.at(-1);
    if (folder === undefined || references.length === 0)
      throw new UsageError("give a reference and a target directory");
    for (const reference of references) selectionOf(reference);
    return { references, folder: resolve(folder), referrers: values.referrers === true };
  },
  run: async ({ services, onProgress, signal }, given) => {
    const { references, folder, referrers } = parseOptions(options, given);
    const [{ exportTo }, { rootsOf }, { LayoutWriter }] = await Promise.all([
      import("../registry/export/export.js"),
      import("../registry/export/select.js"),
      import("../transfer/oci-layout/writer.js"),
    ]);
    const { roots, unmet, problems } = await rootsOf(services, references.map(selectionOf));
    const writer = await LayoutWriter.open(folder);
    const exported = await exportTo(
      services,
      writer,
      roots,
      { referrers, signal },
      (done, total, name, bytes) =>
        onProgress({ what: `${name}, ${formatBytes(bytes)}`, done, total, unit: "manifests" }),
    );
    const report = {
      ...exported,
      problems: [...problems, ...exported.problems],
      unmet: unmet.map(({ text }) => text),
    };
    const fine = report.complete && report.problems.length === 0 && unmet.length === 0;
    return { report, text: render(report, signal), fine };
  },
};

/** Throws `UsageError`. */
function selectionOf(text: string): Selection {
  const at = text.indexOf("@");
  const colon = at === -1 ? text.lastIndexOf(":") : -1;
  const end = Math.max(at, colon);
  const name = end === -1 ? text : text.slice(0, end);
  const rest = text.slice(name.length + 1);
  if (name === "" || (end !== -1 && rest === ""))
    throw new UsageError(`${text} is not a reference: write NAME, NAME:TAG or NAME@DIGEST`);
  for (const pattern of at === -1 && end !== -1 ? [name, rest] : [name]) {
    const fault = patternFault(pattern);
    if (fault !== undefined) throw new UsageError(`${text}: ${pattern}: ${fault}`);
  }
  const wants = nameMatcher([name]);
  if (at === -1) return { text, wants, what: { wantsTag: nameMatcher([end === -1 ? "*" : rest]) } };
  if (!isDigest(rest)) throw new UsageError(`${text}: ${rest} is not a digest`);
  return { text, wants, what: { digest: rest } };
}

function render(report: ExportReport & { readonly unmet: readonly string[] }, signal: AbortSignal): string {
  const { problems, written, there, references, complete, unmet } = report;
  const lines = problems.map(({ repository, tag, digest, what }) => {
    const place = tag === undefined ? [repository, digest].filter(Boolean).join("@") : `${repository}:${tag}`;
    return `${place}: ${what}`;
  });
  lines.push(...unmet.map((text) => `${text}: there is no such image`));
  lines.push(
    `${count(references, "reference")}: ${count(written.count, "content")} written (${formatBytes(written.bytes)}), ` +
      `${there.count} already there (${formatBytes(there.bytes)})${untilInterrupted(complete, signal)}`,
  );
  return lines.join("\n");
}
