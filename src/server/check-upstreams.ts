/** Tests whether upstream registries can be used: for `gantry config check`. Part of the composition root. */
import { type ProxySettings, upstreamsOf } from "../config/proxy.js";
import { describeError } from "../lib/describe-error.js";
import { inParallel } from "../lib/in-parallel.js";
import { discard } from "../transfer/remote/answer.js";
import { AnswerError, CredentialsRefused } from "../transfer/remote/answer-error.js";
import { Upstream } from "../upstream/upstream.js";
import type { UpstreamSettings } from "../upstream/upstream-settings.js";

export interface UpstreamCheck {
  readonly what: string;
  /** A server starts without an upstream, and serves what is cached. */
  readonly outcome: "fine" | "warning" | "failed";
  readonly detail: string;
}

const upstreamsAtOnce = 8;

/** What a registry answers to `/v2/`: it shows itself, or requires a login. */
const rootStatuses: ReadonlySet<number> = new Set([200, 401, 403]);

/** For all requests to one upstream; a person waits for the result. */
const secondsMax = 10;

/** Docker Hub tells its rate limit in the response for this image, and does not count a HEAD request. */
const hub = "docker.io";
const rateRepository = "ratelimitpreview/test";

/** Resolves with the results in the order of the settings. Never rejects because of an upstream. */
export async function checkUpstreams(proxy: ProxySettings): Promise<UpstreamCheck[]> {
  const settings = upstreamsOf(proxy);
  const found = new Map<UpstreamSettings, UpstreamCheck[]>();
  await inParallel(settings, upstreamsAtOnce, async (one) => {
    found.set(one, await checkUpstream(one));
  });
  return settings.flatMap((one) => found.get(one) ?? []);
}

async function checkUpstream(settings: UpstreamSettings): Promise<UpstreamCheck[]> {
  const late = AbortSignal.timeout(secondsMax * 1000);
  const times = { answer: secondsMax * 1000, stale: secondsMax * 1000 };
  const options = { times, offline: false, onCredentialsRefused: () => {} };
  let upstream: Upstream;
  try {
    upstream = await Upstream.open(settings, options, late);
  } catch (error) {
    return [{ what: `settings of ${settings.name}`, outcome: "failed", detail: describeError(error) }];
  }
  try {
    const reached = await reach(upstream, late);
    if (reached.outcome === "warning") return [reached];
    return [reached, ...loginOf(upstream), await rateOf(upstream, late)];
  } finally {
    await upstream.close();
  }
}

/** Also logs in if the upstream asks for that. */
async function reach(upstream: Upstream, late: AbortSignal): Promise<UpstreamCheck> {
  const { name, url } = upstream.settings;
  const what = `reach ${name}`;
  try {
    const answer = await upstream.client.request("", "/v2/", {}, "GET", late);
    await discard(answer);
    const { statusCode } = answer;
    if (statusCode >= 500 || statusCode === 429)
      return { what, outcome: "warning", detail: `${url.origin} answers with status ${statusCode}` };
    if (!rootStatuses.has(statusCode))
      return {
        what,
        outcome: "warning",
        detail: `${url.origin} answers ${statusCode} to /v2/, so it may be no registry; check the url`,
      };
  } catch (error) {
    // Both say that it answers, and more about it follows.
    const isAnswer =
      error instanceof CredentialsRefused || (error instanceof AnswerError && error.status < 429);
    const why = late.aborted ? `no answer within ${secondsMax} s` : describeError(error);
    if (!isAnswer) return { what, outcome: "warning", detail: `${url.origin}: ${why}` };
  }
  const how = url.protocol === "https:" ? "answers, with a trusted certificate" : "answers, without TLS";
  return { what, outcome: "fine", detail: `${url.origin} ${how}` };
}

function loginOf({ name, settings: { username }, login }: Upstream): UpstreamCheck[] {
  const what = `log in to ${name}`;
  if (username === undefined) return [];
  if (login === "refused")
    return [
      {
        what,
        outcome: "warning",
        detail: `the credentials of ${username} are refused; check username and password`,
      },
    ];
  const detail =
    login === "accepted" ? `the credentials of ${username} are accepted` : "it asks for no credentials";
  return [{ what, outcome: "fine", detail }];
}

async function rateOf(upstream: Upstream, late: AbortSignal): Promise<UpstreamCheck> {
  const { name, client, settings } = upstream;
  if (name === hub && upstream.login !== "refused")
    await client
      .request(rateRepository, `/v2/${rateRepository}/manifests/latest`, {}, "HEAD", late)
      .then(discard)
      // The rate is unknown then.
      .catch(() => {});
  const what = `rate limit of ${settings.name}`;
  const { budget } = upstream;
  if (budget === undefined) return { what, outcome: "fine", detail: "the upstream sends none" };
  const { remaining, limit } = budget;
  const detail = `${remaining}${limit === undefined ? "" : ` of ${limit}`} requests are left`;
  return { what, outcome: remaining === 0 ? "warning" : "fine", detail };
}
