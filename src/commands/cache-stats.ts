/** `gantry cache stats`: what is cached of each upstream registry, and what that saves. */
import { z } from "zod";
import { formatBytes, formatTable } from "../lib/format.js";
import type { Traffic } from "../upstream/cache-report.js";
import { openCache } from "./cache.js";
import type { Command } from "./command.js";
import { parseOptions } from "./options.js";

const options = z.object({});

interface CacheStats {
  /** Bytes that count for the limit. */
  readonly bytes: number;
  readonly limitBytes: number | null;
  readonly upstreams: readonly {
    readonly name: string;
    readonly prefix: string;
    readonly manifests: number;
    readonly blobs: number;
    readonly bytes: number;
    readonly sharedBytes: number;
    /** Seconds after the last use; 0 for ever. */
    readonly ttlSeconds: number;
    /** Since the start of the server; absent without one. */
    readonly traffic?: Traffic;
  }[];
}

export const cacheStats: Command = {
  name: "cache stats",
  summary: "report what is cached of other registries",
  help: `Reports for each upstream registry how much of it is cached and how much of that other repositories share. Of a running
server, also reports since its start: requests that were answered from the cache, bytes sent to clients and fetched from
the upstream, requests to the upstream, the remaining requests of its rate limit, and whether it refuses the configured
credentials. With several processes, these are of the first one; the metrics are of all.
`,
  flags: {},
  examples: [
    { command: "gantry cache stats", what: "print a table" },
    { command: "gantry cache stats --json | jq .bytes", what: "read one figure in a script" },
  ],
  optionsOf: () => ({}),
  run: async (context, given) => {
    parseOptions(options, given);
    const { names, bytesMax } = await openCache(context);
    const [{ surveyCache }, { contentOf, trafficOf }] = await Promise.all([
      import("../upstream/cached-content.js"),
      import("../upstream/cache-report.js"),
    ]);
    const survey = await surveyCache(context.services.storage, names, context.signal);
    const contents = await contentOf(survey, names);
    const report: CacheStats = {
      bytes: survey.bytes,
      limitBytes: bytesMax ?? null,
      upstreams: contents.map(({ upstream: { name, keptSeconds }, ...content }) => {
        const running = context.upstreams?.names.upstreams.find((upstream) => upstream.name === name);
        const traffic = running && { traffic: trafficOf(running) };
        return { ...content, ttlSeconds: keptSeconds, ...traffic };
      }),
    };
    return { report, text: render(report), fine: true };
  },
};

function render({ bytes, limitBytes, upstreams }: CacheStats): string {
  const heading = ["UPSTREAM", "MANIFESTS", "BLOBS", "SIZE", "SHARED", "HITS", "MISSES", "SENT", "FETCHED"];
  const rows = upstreams.map(({ name, manifests, blobs, traffic, ...sizes }) => [
    name,
    ...[manifests, blobs].map(String),
    ...[sizes.bytes, sizes.sharedBytes].map(formatBytes),
    ...(traffic === undefined
      ? ["-", "-", "-", "-"]
      : [
          ...[traffic.hits, traffic.misses].map(String),
          ...[traffic.sentBytes, traffic.fetchedBytes].map(formatBytes),
        ]),
  ]);
  const limit = limitBytes === null ? "no limit" : `limit ${formatBytes(limitBytes)}`;
  return [
    formatTable([heading, ...rows]),
    "",
    ...upstreams.flatMap(({ name, traffic }) => (traffic === undefined ? [] : [lineOf(name, traffic)])),
    `${formatBytes(bytes)} count for proxy.maxmib (${limit})`,
  ].join("\n");
}

function lineOf(
  name: string,
  { requests, rateRemaining, rateLimit, credentialsRefused, paused }: Traffic,
): string {
  const rate =
    rateRemaining === null
      ? ""
      : `, ${rateRemaining}${rateLimit === null ? "" : ` of ${rateLimit}`} left of its rate limit`;
  const refused = credentialsRefused ? ", credentials refused" : "";
  return `${name}: ${requests} requests to it${rate}${refused}${paused ? ", not asked at the moment" : ""}`;
}
