/** `gantry cache prune`: evicts cached content now. */
import { z } from "zod";
import { durationSeconds } from "../config/values.js";
import { count, formatBytes } from "../lib/format.js";
import type { EvictionReport } from "../upstream/evictor.js";
import { onlyUpstream, openCache, upstreamFlag } from "./cache.js";
import { type Command, type FlagValues, UsageError } from "./command.js";
import { untilInterrupted } from "./interruption.js";
import { parseOptions } from "./options.js";

const options = z.object({
  olderThanSeconds: z.number().positive().optional(),
  maxMib: z.number().int().nonnegative().optional(),
  upstream: z.string().optional(),
  dryRun: z.boolean(),
});

/** Lines of the text; the JSON has all. */
const linesMax = 100;

export const cachePrune: Command = {
  name: "cache prune",
  summary: "remove cached content of other registries",
  help: `Removes cached content: what nobody has pulled for a time, and then the longest unused content above a size. Without
options, the settings proxy.ttl and proxy.maxmib apply. What clients are reading stays, and so does everything that was
pushed; --max-mib 0 removes all the rest. Removed content is fetched again when it is pulled.
`,
  flags: {
    "older-than": {
      type: "string",
      value: "TIME",
      description: "remove what was not pulled for this time, such as 72h",
    },
    "max-mib": { type: "string", value: "MIB", description: "remove until this much is left" },
    upstream: upstreamFlag,
    "dry-run": { type: "boolean", description: "only list" },
  },
  examples: [
    { command: "gantry cache prune --dry-run", what: "list what the settings would remove" },
    { command: "gantry cache prune --older-than 72h", what: "remove what was not pulled for three days" },
    { command: "gantry cache prune --upstream quay.io --max-mib 0", what: "remove one upstream's content" },
  ],
  optionsOf: (values) => ({
    ...secondsOf(values),
    ...mibOf(values),
    upstream: values.upstream,
    dryRun: values["dry-run"] === true,
  }),
  run: async (context, given) => {
    const { olderThanSeconds, maxMib, upstream, dryRun } = parseOptions(options, given);
    const { names, uses, bytesMax } = await openCache(context);
    const { Evictor } = await import("../upstream/evictor.js");
    const evictor =
      context.upstreams?.evictor ??
      new Evictor(context.services, names, uses, {
        bytesMax,
        isHeld: () => false,
        onError: context.services.onBackgroundError,
      });
    const report = await evictor.evict({
      keptSeconds: olderThanSeconds,
      bytesMax: maxMib === undefined ? undefined : maxMib * 1024 * 1024,
      ...(upstream !== undefined && { names: onlyUpstream(names, upstream) }),
      dryRun,
      signal: context.signal,
    });
    const complete = !context.signal.aborted;
    const text = render(report) + untilInterrupted(complete, context.signal);
    return { report: { ...reportOf(report), complete }, text, fine: complete };
  },
};

function secondsOf({ "older-than": text }: FlagValues): { olderThanSeconds?: number } {
  if (typeof text !== "string") return {};
  const seconds = durationSeconds(text);
  if (seconds === undefined || seconds === 0)
    throw new UsageError(`--older-than: ${text} is not a time such as 72h`);
  return { olderThanSeconds: seconds };
}

function mibOf({ "max-mib": text }: FlagValues): { maxMib?: number } {
  if (typeof text !== "string") return {};
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--max-mib: ${text} is not a number of MiB`);
  return { maxMib: Number(text) };
}

function reportOf({ evicted, ...totals }: EvictionReport) {
  return {
    ...totals,
    evicted: evicted.map(({ content: { kind, digest, size, lastUsedAt }, names, why }) => ({
      kind,
      digest,
      size,
      lastUsedAt: new Date(lastUsedAt).toISOString(),
      repositories: names,
      why,
    })),
  };
}

function render({ evicted, dryRun, manifests, blobs, tags, freedBytes, bytes }: EvictionReport): string {
  const lines = evicted.flatMap(({ content: { kind, digest, lastUsedAt }, names, why }) =>
    names.map(
      (name) => `${name}: ${kind} ${digest}, last pull ${new Date(lastUsedAt).toISOString()} (${why})`,
    ),
  );
  const removed = dryRun ? "would be removed" : "removed";
  return [
    ...lines.slice(0, linesMax),
    ...(lines.length > linesMax ? [`and ${lines.length - linesMax} more`] : []),
    `${count(manifests, "manifest")}${dryRun ? "" : `, ${count(tags, "tag")}`} and ${count(blobs, "blob")} ${removed}: ` +
      `${formatBytes(freedBytes)}; ${formatBytes(bytes)} ${dryRun ? "would stay" : "stay"}`,
  ].join("\n");
}
