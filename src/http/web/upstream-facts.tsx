/** One upstream registry: what is cached of it, what it was asked for, and whether it answers. */

import { visibleLine } from "../../lib/control-characters.js";
import { count, formatSeconds } from "../../lib/format.js";
import { trafficOf, type UpstreamContent } from "../../upstream/cache-report.js";
import type { Upstream } from "../../upstream/upstream.js";
import { Bytes, Pending, When } from "./show.js";

interface UpstreamFactsProps {
  readonly upstream: Upstream;
  /** Absent until it is counted. */
  readonly content: UpstreamContent | undefined;
}

export function UpstreamFacts({ upstream, content }: UpstreamFactsProps) {
  const { settings, counts, lastFailure } = upstream;
  const traffic = trafficOf(upstream);
  const { rate_limited, refused, timeout, failure } = counts.outcomes;
  const failures = rate_limited + refused + timeout + failure;
  return (
    <>
      <Warnings upstream={upstream} />
      <dl class="facts">
        <dt>Address</dt>
        <dd>{settings.url.origin}</dd>
        <dt>Repositories</dt>
        <dd>
          below <code>{upstream.prefix}/</code>
          {upstream.isDefault && ", and all names without a prefix"}
        </dd>
        <dt>Cached</dt>
        <dd>{content === undefined ? <Pending /> : <Cached content={content} />}</dd>
        <dt>Kept</dt>
        <dd>
          {upstream.keptSeconds === 0
            ? "until room is needed"
            : `${formatSeconds(upstream.keptSeconds)} after the last use`}
        </dd>
        <dt>Answered here</dt>
        <dd>{hitRate(traffic)}</dd>
        <dt>Sent, fetched</dt>
        <dd>
          <Bytes bytes={traffic.sentBytes} /> to clients, <Bytes bytes={traffic.fetchedBytes} /> from it
        </dd>
        <dt>Requests to it</dt>
        <dd>
          {traffic.requests}, {failures} failed
        </dd>
        {traffic.rateRemaining !== null && (
          <>
            <dt>Rate limit of the upstream</dt>
            <dd>
              {traffic.rateRemaining}
              {traffic.rateLimit !== null && ` of ${traffic.rateLimit}`} requests left
            </dd>
          </>
        )}
        {settings.bytesPerSecond !== undefined && (
          <>
            <dt>Own limit</dt>
            <dd>
              <Bytes bytes={settings.bytesPerSecond} /> a second
            </dd>
          </>
        )}
        {lastFailure !== undefined && (
          <>
            <dt>Last failure</dt>
            <dd>
              <When at={lastFailure.at} />: {visibleLine(lastFailure.message)}
            </dd>
          </>
        )}
      </dl>
      <p class="note">Requests and bytes are counted since this server started.</p>
    </>
  );
}

function Warnings({ upstream: { login, isPaused, options } }: Pick<UpstreamFactsProps, "upstream">) {
  return (
    <>
      {login === "refused" && (
        <p class="box bad" role="alert">
          The upstream rejected the configured user name and password. Cached content is served; other
          requests fail.
        </p>
      )}
      {options.offline && (
        <p class="warn">No upstream is asked (setting proxy.offline): only what is cached is served.</p>
      )}
      {isPaused && !options.offline && (
        <p class="warn">
          The upstream failed recently and is not contacted for a while. Cached content is served.
        </p>
      )}
    </>
  );
}

function Cached({ content }: { readonly content: UpstreamContent }) {
  const { bytes, sharedBytes, manifests, blobs } = content;
  return (
    <>
      <Bytes bytes={bytes} /> in {count(manifests, "manifest")} and {count(blobs, "blob")},{" "}
      <Bytes bytes={sharedBytes} /> of it shared with other repositories
    </>
  );
}

function hitRate({ hits, misses }: { readonly hits: number; readonly misses: number }): string {
  if (hits + misses === 0) return "no requests yet";
  return `${Math.floor((100 * hits) / (hits + misses))}% of ${count(hits + misses, "request")}`;
}
