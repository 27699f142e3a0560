/** The figures of `gantry cache stats` and `gantry cache list`, for a page. */
import type { Services } from "../registry/services.js";
import type { UpstreamCache } from "../upstream/cache.js";
import { type CachedImage, contentOf, listCached, type UpstreamContent } from "../upstream/cache-report.js";
import { surveyCache } from "../upstream/cached-content.js";

export interface CachedFigures {
  /** Bytes that count for the limit. */
  readonly bytes: number;
  readonly upstreams: readonly UpstreamContent[];
  /** The images that were pulled last, the latest first. */
  readonly recent: readonly CachedImage[];
}

/** Each visitor sees those of them that they may pull. */
const recentMax = 1_000;

export async function cachedFigures(
  services: Services,
  { names, uses }: UpstreamCache,
  signal: AbortSignal,
  onDone: (done: number) => void,
): Promise<CachedFigures> {
  const survey = await surveyCache(services.storage, names, signal);
  const upstreams = await contentOf(survey, names);
  let recent: CachedImage[] = [];
  let images = 0;
  for await (const image of listCached(services, survey, names, uses, signal)) {
    onDone(++images);
    recent.push(image);
    if (recent.length === 2 * recentMax) recent = latestOf(recent);
  }
  return { bytes: survey.bytes, upstreams, recent: latestOf(recent) };
}

function latestOf(images: readonly CachedImage[]): CachedImage[] {
  return images.toSorted((a, b) => b.lastUsedAt - a.lastUsedAt).slice(0, recentMax);
}
