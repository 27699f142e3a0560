/**
 * Connects to the services that settings name, as a server would, and tests what the registry needs of them. Part of the
 * composition root.
 */
import type { Config } from "../config/config.js";
import { type ProxySettings, upstreamsOf } from "../config/proxy.js";
import type { RedisSettings } from "../server/cluster.js";
import type { OidcSettings } from "../server/oidc.js";
import { type S3Settings, s3CredentialsOf, s3LimitsOf, s3PlaceOf, scratchFolderOf } from "../server/s3.js";
import { S3Client } from "../storage/s3/client.js";
import { keys } from "../storage/s3/keys.js";
import { readLock } from "../storage/s3/lock-record.js";
import { type ProbeResult, probeStore } from "../storage/s3/probe.js";
import { reach, writeAndRead } from "../storage/s3/probe-checks.js";
import { S3Requests } from "../storage/s3/requests.js";
import { expiredAfterSeconds } from "../storage/s3/store-lock.js";
import { placeName } from "../storage/s3/store-object.js";

/** The result of one test of a service. */
export interface ServiceCheck {
  /** The settings that name the service. */
  readonly key: string;
  readonly what: string;
  /** `warning` if a server can start all the same. */
  readonly outcome: ProbeResult["outcome"] | "warning";
  readonly detail: string;
}

/** A race needs a connection for each of its writers. */
const connectionsMin = 16;

/** A person waits for the result. */
const secondsMax = 10;

const notAsked = "no upstream is asked, so none was tested";

/**
 * Resolves with what each test has found. Connects to nothing if the settings name no service. Rejects with `ConfigError` if
 * a folder or file that is needed for a service cannot be used.
 */
export async function checkServices({
  auth: { oidc },
  storage: { s3 },
  redis,
  proxy,
}: Config): Promise<ServiceCheck[]> {
  return [
    ...(s3 === undefined ? [] : await checkBucket(s3)),
    ...(redis === undefined ? [] : await checkRedis(redis)),
    ...(await checkProxy(proxy)),
    ...(oidc === undefined ? [] : await checkLoginServer(oidc)),
  ];
}

async function checkRedis(redis: RedisSettings): Promise<ServiceCheck[]> {
  const { checkEngine } = await import("../server/check-engine.js");
  return (await checkEngine(redis)).map((check) => ({ key: "redis", ...check }));
}

async function checkLoginServer(oidc: OidcSettings): Promise<ServiceCheck[]> {
  const { checkOidc } = await import("../server/check-oidc.js");
  return [{ key: "auth.oidc", ...(await checkOidc(oidc)) }];
}

async function checkProxy(proxy: ProxySettings): Promise<ServiceCheck[]> {
  if (upstreamsOf(proxy).length === 0) return [];
  if (proxy.offline) return [{ key: "proxy", what: "offline", outcome: "fine", detail: notAsked }];
  const { checkUpstreams } = await import("../server/check-upstreams.js");
  return (await checkUpstreams(proxy)).map((check) => ({ key: "proxy", ...check }));
}

/** Rejects with `ConfigError` if this machine has no place for parts of uploads. */
async function checkBucket(s3: S3Settings): Promise<ServiceCheck[]> {
  scratchFolderOf(s3);
  const { connections } = s3LimitsOf(s3);
  const limits = {
    connections: Math.max(connectionsMin, connections),
    attemptSeconds: secondsMax,
    requestSeconds: secondsMax,
  };
  const { get, refused } = s3CredentialsOf(s3);
  const client = new S3Client(new S3Requests(s3PlaceOf(s3), limits, get, refused));
  try {
    const { results } = await probeStore(client, "full");
    const isUsable = results.some(({ isFull }) => isFull) && (await hasRoomToStart(client, results));
    const checks = results.map(
      ({ what, outcome, detail, isFull }): ServiceCheck => ({
        key: "storage.s3",
        what: what === reach.what ? `reach ${placeName(client)}` : what,
        ...(isFull && isUsable
          ? { outcome: "warning", detail: `not tested, and pushes get 507: ${detail}` }
          : { outcome, detail }),
      }),
    );
    return checks.some(({ outcome }) => outcome === "failed") ? checks : [...checks, await lockOf(client)];
  } finally {
    await client.close();
  }
}

/** Whether a server can start on a full store: small objects fit, or the reserve can be given up for them. */
async function hasRoomToStart(client: S3Client, results: readonly ProbeResult[]): Promise<boolean> {
  const fits = results.some(({ what, outcome }) => what === writeAndRead.what && outcome === "fine");
  return fits || (await client.head(keys.reserve)) !== undefined;
}

/** Which node uses the bucket is no fault, but explains why a server waits or does not start. */
async function lockOf(client: S3Client): Promise<ServiceCheck> {
  const found = await readLock(client);
  const { record, ageSeconds = 0 } = found ?? {};
  const who = record === undefined ? "somebody" : `process ${record.pid} on ${record.host} (${record.mode})`;
  const detail =
    found === undefined || ageSeconds > expiredAfterSeconds
      ? "no node uses it"
      : `${who} uses it, and renewed its lock ${Math.max(0, Math.round(ageSeconds))} s ago`;
  return { key: "storage.s3", what: placeName(client), outcome: "fine", detail };
}
