/** What the commands of the cache share: its upstreams, in the running server or by the settings alone. */
import { upstreamsOf } from "../config/proxy.js";
import { nameMatcher } from "../domain/patterns.js";
import type { KeepingUpstream } from "../upstream/evictor.js";
import { UpstreamNames } from "../upstream/names.js";
import { ownedPrefixes } from "../upstream/ownership.js";
import { UseTimes } from "../upstream/use-times.js";
import { type CommandContext, UsageError } from "./command.js";

export interface OpenedCache {
  readonly names: UpstreamNames<KeepingUpstream>;
  readonly uses: UseTimes;
  /** Limit of cached bytes; `undefined` for none. */
  readonly bytesMax: number | undefined;
}

/** Rejects with `UsageError` if the settings name no upstream, or one whose prefix may hold pushed images. */
export async function openCache({ services, config, upstreams }: CommandContext): Promise<OpenedCache> {
  const { maxmib, local } = config.proxy;
  const bytesMax = maxmib === 0 ? undefined : maxmib * 1024 * 1024;
  if (upstreams !== undefined) return { names: upstreams.names, uses: upstreams.uses, bytesMax };
  const settings = upstreamsOf(config.proxy);
  if (settings.length === 0) throw new UsageError("the settings name no upstream registry (setting proxy)");
  const owned = await ownedPrefixes(services.storage);
  const foreign = settings.find(({ prefix }) => !owned.has(prefix));
  if (foreign !== undefined)
    throw new UsageError(
      `no server has used the prefix ${foreign.prefix} for an upstream registry yet, so the images below it may have been pushed; start the server first`,
    );
  const uses = new UseTimes();
  await uses.restore(services.storage.notes);
  return { names: new UpstreamNames(settings, nameMatcher(local)), uses, bytesMax };
}

/** Returns the named upstream alone: content that others share counts as shared. Throws `UsageError`. */
export function onlyUpstream(
  { upstreams }: { readonly upstreams: readonly KeepingUpstream[] },
  name: string,
): UpstreamNames<KeepingUpstream> {
  const one = upstreams.find((upstream) => upstream.name === name);
  if (one === undefined) {
    const known = upstreams.map((upstream) => upstream.name).join(", ");
    throw new UsageError(`--upstream: there is no upstream ${name}; there are ${known}`);
  }
  return new UpstreamNames([one], () => true);
}

export const upstreamFlag = {
  type: "string",
  value: "NAME",
  description: "only this upstream, such as docker.io",
} as const;
