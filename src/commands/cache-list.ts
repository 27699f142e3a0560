/** `gantry cache list`: the cached tags of upstream registries. */
import { z } from "zod";
import { count, formatBytes, formatTable } from "../lib/format.js";
import type { CachedImage } from "../upstream/cache-report.js";
import { onlyUpstream, openCache, upstreamFlag } from "./cache.js";
import type { Command } from "./command.js";
import { parseOptions } from "./options.js";

const options = z.object({ upstream: z.string().optional() });

/** `lastUsedAt` is ISO 8601. `fresh` is whether the tag is served without asking its upstream; only of a running server. */
type Listed = Omit<CachedImage, "lastUsedAt"> & { readonly lastUsedAt: string; readonly fresh?: boolean };

export const cacheList: Command = {
  name: "cache list",
  summary: "list the cached tags of other registries",
  help: `Lists the cached tags with the bytes that are cached of each image, the time of its last pull, and whether the tag is
fresh: a stale one is compared with its upstream when it is pulled next. A line without a tag is for content that was
pulled by digest. Images share layers, so their sizes add up to more than the cache has.
`,
  flags: { upstream: upstreamFlag },
  examples: [
    { command: "gantry cache list", what: "print a table" },
    { command: "gantry cache list --upstream ghcr.io --json", what: "one upstream, for a script" },
  ],
  optionsOf: ({ upstream }) => ({ upstream }),
  run: async (context, given) => {
    const { upstream } = parseOptions(options, given);
    const { names, uses } = await openCache(context);
    const selected = upstream === undefined ? names : onlyUpstream(names, upstream);
    const [{ surveyCache }, { listCached }] = await Promise.all([
      import("../upstream/cached-content.js"),
      import("../upstream/cache-report.js"),
    ]);
    const { services, signal } = context;
    const survey = await surveyCache(services.storage, selected, signal);
    const images: Listed[] = [];
    for await (const image of listCached(services, survey, selected, uses, signal)) {
      const { repository, tag } = image;
      const owner = context.upstreams?.names.ownerOf(repository)?.upstream;
      const fresh =
        tag === undefined || owner === undefined
          ? undefined
          : await context.upstreams?.manifests.isFresh(owner, repository, tag);
      images.push({
        ...image,
        lastUsedAt: new Date(image.lastUsedAt).toISOString(),
        ...(fresh !== undefined && { fresh }),
      });
    }
    return { report: { images }, text: render(images), fine: true };
  },
};

function render(images: readonly Listed[]): string {
  const rows = images.map(({ repository, tag, bytes, lastUsedAt, fresh }) => [
    tag === undefined ? `${repository} (by digest)` : `${repository}:${tag}`,
    formatBytes(bytes),
    lastUsedAt.slice(0, 16).replace("T", " "),
    fresh === undefined ? "-" : fresh ? "fresh" : "stale",
  ]);
  return [
    formatTable([["IMAGE", "SIZE", "LAST PULL (UTC)", "TAG"], ...rows], [0, 2, 3]),
    count(images.length, "image"),
  ].join("\n");
}
