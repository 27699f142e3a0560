/** Metrics of the registries that this one caches. */
import type { UpstreamCounts } from "../../upstream/counts.js";
import type { Instruments, Labelled, Valued } from "./instruments.js";

export interface MeasuredUpstream {
  readonly name: string;
  readonly counts: UpstreamCounts;
  /** Whether cached content is served without asking it. */
  readonly isPaused: boolean;
  /** Whether it accepted the configured credentials; absent if they were not sent. */
  readonly login: "accepted" | "refused" | undefined;
  /** Absent until the upstream has told it. */
  readonly budget: { readonly remaining: number } | undefined;
}

export function measureUpstreams(instruments: Instruments, upstreams: readonly MeasuredUpstream[]): void {
  const each = (value: (upstream: MeasuredUpstream) => number) => (): Labelled =>
    upstreams.map((upstream) => [upstream.name, value(upstream)] as const);
  instruments.countersBy(
    "gantry_upstream_pulls_total",
    "Requests for manifests and blobs of an upstream registry, by how the cache answered them",
    ["upstream", "kind", "result"],
    () => pulls(upstreams),
  );
  instruments.counters(
    "gantry_upstream_sent_bytes_total",
    "Bytes sent to clients of repositories of an upstream registry",
    "upstream",
    each(({ counts }) => counts.sentBytes),
  );
  instruments.counters(
    "gantry_upstream_fetched_bytes_total",
    "Bytes of manifests and blobs received from an upstream registry",
    "upstream",
    each(({ counts }) => counts.fetchedBytes),
  );
  instruments.counters(
    "gantry_upstream_evicted_bytes_total",
    "Bytes of an upstream registry's content that were evicted from the cache",
    "upstream",
    each(({ counts }) => counts.evictedBytes),
  );
  instruments.countersBy(
    "gantry_upstream_requests_total",
    "Objects, tags and lists that an upstream registry was asked for, by outcome",
    ["upstream", "outcome"],
    () => outcomes(upstreams),
  );
  instruments.histogram(
    "gantry_upstream_first_byte_seconds",
    "Time until an upstream registry's response begins, including redirects and logging in",
    ["upstream"],
    () => upstreams.map(({ name, counts }) => ({ labels: { upstream: name }, durations: counts.firstByte })),
  );
  instruments.gauges(
    "gantry_upstream_fetches",
    "Blobs that are being fetched from an upstream registry",
    "upstream",
    each(({ counts }) => counts.fetching),
  );
  instruments.gauges(
    "gantry_upstream_followers",
    "Clients that wait for a blob that is being fetched, or receive it meanwhile",
    "upstream",
    each(({ counts }) => counts.followers),
  );
  instruments.gauges(
    "gantry_upstream_paused",
    "Whether an upstream registry is not asked for now, because it failed or none may be asked",
    "upstream",
    each(({ isPaused }) => Number(isPaused)),
    "max",
  );
  instruments.gauges(
    "gantry_upstream_credentials_refused",
    "Whether an upstream registry refused the configured user name and password when they were sent last",
    "upstream",
    each(({ login }) => Number(login === "refused")),
    "max",
  );
  instruments.gauges(
    "gantry_upstream_rate_remaining",
    "Requests that the upstream registry's rate limit still allows, as it said last; -1 if it has said nothing",
    "upstream",
    each(({ budget }) => budget?.remaining ?? -1),
    "min",
  );
}

function* pulls(upstreams: readonly MeasuredUpstream[]): Iterable<Valued<"upstream" | "kind" | "result">> {
  for (const { name, counts } of upstreams)
    for (const [kind, results] of Object.entries(counts.results))
      for (const [result, value] of Object.entries(results))
        yield { labels: { upstream: name, kind, result }, value };
}

function* outcomes(upstreams: readonly MeasuredUpstream[]): Iterable<Valued<"upstream" | "outcome">> {
  for (const { name, counts } of upstreams)
    for (const [outcome, value] of Object.entries(counts.outcomes))
      yield { labels: { upstream: name, outcome }, value };
}
