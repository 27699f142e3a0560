/** What one upstream registry and its cache have done so far: plain numbers, which the metrics read. */
import { Durations } from "../lib/durations.js";

export type ObjectKind = "manifest" | "blob";

/**
 * How the cache answers a request: from what is here (`hit`), after asking whether a tag has moved (`revalidated`), from what
 * is here although it was time to ask (`stale`), by a fetch that another request has begun (`joined`) or that this one
 * begins (`miss`), or because the upstream said recently that it has no such object (`absent`).
 */
export const cacheResults = ["hit", "revalidated", "stale", "joined", "miss", "absent"] as const;
export type CacheResult = (typeof cacheResults)[number];

/** `refused`: the upstream does not accept the configured credentials, whatever is requested. */
export const outcomes = ["success", "not_found", "rate_limited", "refused", "timeout", "failure"] as const;
export type Outcome = (typeof outcomes)[number];

/** In seconds. An upstream nearby is below the first, one that is about to be given up below the last. */
const firstByteBounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const noResults = () => ({ hit: 0, revalidated: 0, stale: 0, joined: 0, miss: 0, absent: 0 });

export class UpstreamCounts {
  readonly results: Readonly<Record<ObjectKind, Record<CacheResult, number>>> = {
    manifest: noResults(),
    blob: noResults(),
  };
  /** Bytes of responses to clients. */
  sentBytes = 0;
  /** Bytes of blobs and manifests from the upstream. */
  fetchedBytes = 0;
  /** Bytes of its content that eviction has freed. */
  evictedBytes = 0;
  /** Questions to the upstream: the fetch of an object, whether a tag has moved, a list. */
  readonly outcomes: Record<Outcome, number> = {
    success: 0,
    not_found: 0,
    rate_limited: 0,
    refused: 0,
    timeout: 0,
    failure: 0,
  };
  /** Times from a request to the upstream, including its redirects and its login, until its response begins. */
  readonly firstByte = new Durations(firstByteBounds);
  /** Blobs that are being fetched. */
  fetching = 0;
  /** Clients that wait for such a blob or receive it. */
  followers = 0;
}
