/** Hits and misses of the caches that a page shows, as totals of the activity. */
import type { Caches } from "../cache/caches.js";
import type { UpstreamCache } from "../upstream/cache.js";
import { type Traffic, trafficOf } from "../upstream/cache-report.js";

/** The caches by the name of their series, with their names for people. */
export const shownCaches = {
  manifests: "Manifests",
  tags: "Tags",
  lists: "Lists of tags",
  blobs: "Small blobs",
  files: "Open files",
  upstreams: "Upstream caches",
} as const;

export type ShownCache = keyof typeof shownCaches;

export function hitsOf(cache: ShownCache): string {
  return `${cache}.hits`;
}

export function missesOf(cache: ShownCache): string {
  return `${cache}.misses`;
}

export function hitTotals(
  { manifests, tags, tagLists, smallBlobs, openBlobs }: Caches,
  upstreams: UpstreamCache | undefined,
): Record<string, number> {
  const caches = { manifests, tags, lists: tagLists, blobs: smallBlobs, files: openBlobs };
  const totals: Record<string, number> = {};
  const note = (cache: ShownCache, hits: number, misses: number) => {
    totals[hitsOf(cache)] = hits;
    totals[missesOf(cache)] = misses;
  };
  for (const [name, { lookups }] of Object.entries(caches))
    note(name as keyof typeof caches, lookups.hits, lookups.misses);
  if (upstreams === undefined) return totals;
  const traffic = upstreams.names.upstreams.map(trafficOf);
  const sum = (of: (one: Traffic) => number) => traffic.reduce((total, one) => total + of(one), 0);
  note(
    "upstreams",
    sum(({ hits }) => hits),
    sum(({ misses }) => misses),
  );
  return totals;
}
