/** Opens the pull-through cache from the settings. Part of the composition root. */
import { setMaxListeners } from "node:events";
import type { Gate } from "../auth/gate.js";
import type { Config } from "../config/config.js";
import { asConfigError, ConfigError } from "../config/errors.js";
import { upstreamsOf } from "../config/proxy.js";
import { nameMatcher } from "../domain/patterns.js";
import type { Services } from "../registry/services.js";
import type { Storage } from "../storage/storage.js";
import type { UpstreamCache } from "../upstream/cache.js";
import { type NamedUpstream, UpstreamNames } from "../upstream/names.js";
import { claimPrefixes } from "../upstream/ownership.js";
import type { Upstream } from "../upstream/upstream.js";
import type { UpstreamOptions, UpstreamSettings } from "../upstream/upstream-settings.js";
import { openEviction, openUses } from "./eviction.js";
import type { Opening } from "./opening.js";
import { openHiddenNamesWarning, warnOfChangedOrigins } from "./upstream-advice.js";

const mebibyte = 1024 * 1024;

/** Which repositories belong to an upstream registry. */
export function mirroredNames({ proxy }: Config): Gate["isMirrored"] {
  const names = namesOf(upstreamsOf(proxy), proxy.local);
  return (name) => names.ownerOf(name) !== undefined;
}

function namesOf<U extends NamedUpstream>(
  upstreams: readonly U[],
  local: readonly string[],
): UpstreamNames<U> {
  return new UpstreamNames(upstreams, nameMatcher(local));
}

/** Rejects with `ConfigError` if repositories may have been pushed below the prefix of an upstream. */
async function claim(storage: Storage, prefixes: readonly string[]): Promise<void> {
  const taken = await claimPrefixes(storage, prefixes);
  if (taken === undefined) return;
  const { prefix, name } = taken;
  throw new ConfigError(
    `proxy: the prefix ${prefix} cannot be used for an upstream registry, because repositories below it, such as ${name}, ` +
      "may have been pushed here: set another prefix for the upstream, or delete these repositories " +
      "(start without the upstream, delete their tags and manifests, and run gantry gc --delete)",
  );
}

/**
 * Returns `undefined` if there is no upstream. Rejects with `ConfigError` if a file of the settings cannot be read, or if a
 * prefix cannot be used.
 */
export async function openUpstreams(
  opening: Opening,
  services: Services,
): Promise<UpstreamCache | undefined> {
  const {
    config: { proxy },
    log,
    closers,
  } = opening;
  const settings = upstreamsOf(proxy);
  await claim(
    services.storage,
    settings.map(({ prefix }) => prefix),
  );
  if (settings.length === 0) return undefined;
  await warnOfChangedOrigins(opening, services.storage, settings);
  const { UpstreamCache } = await import("../upstream/cache.js");
  const ended = new AbortController();
  // Each concurrent request to an upstream listens.
  setMaxListeners(0, ended.signal);
  const opened: Upstream[] = [];
  let cache: UpstreamCache | undefined;
  const uses = await openUses(services);
  closers.add("times of use", () =>
    services.storage.readOnly ? undefined : uses.save(services.storage.notes, true),
  );
  closers.add("upstream registries", async () => {
    ended.abort();
    await cache?.blobs.settled();
    await Promise.all(opened.map((upstream) => upstream.close()));
  });
  const onCredentialsRefused = (upstream: string) =>
    log.warn(
      { upstream },
      "an upstream registry refuses the configured user name and password: what is cached is served, and all else " +
        "gets 502; correct them in proxy.upstreams and restart (gantry config check tests them)",
    );
  const options = { ...optionsOf(proxy), onCredentialsRefused };
  for (const one of settings) opened.push(await openUpstream(one, options, ended.signal));
  const report = (error: unknown) =>
    log.warn({ err: error }, "an upstream registry failed; cached content is served");
  cache = new UpstreamCache(services, namesOf(opened, proxy.local), {
    absentMilliseconds: proxy.absentttl * 1000,
    onBackgroundError: report,
    onFetchError: ({ message }) => log.warn(`a blob was not fetched: ${message}`),
    onEvictionError: (error) => log.error({ err: error }, "cached content cannot be evicted"),
    bytesMax: proxy.maxmib === 0 ? undefined : proxy.maxmib * mebibyte,
    blobBytesMax: proxy.blobmib * mebibyte,
    uses,
  });
  openEviction(opening, cache);
  openHiddenNamesWarning(opening, services, cache.names);
  return cache;
}

function optionsOf({ timeout, staletimeout, offline }: Config["proxy"]) {
  return { times: { answer: timeout * 1000, stale: staletimeout * 1000 }, offline };
}

/** Rejects with `ConfigError` if a file of the settings cannot be read. */
async function openUpstream(
  settings: UpstreamSettings,
  options: UpstreamOptions,
  signal: AbortSignal,
): Promise<Upstream> {
  const { Upstream } = await import("../upstream/upstream.js");
  return Upstream.open(settings, options, signal).catch(asConfigError("proxy.upstreams"));
}
