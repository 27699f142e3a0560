/** Warns operators if the settings of upstream registries change what stored content means. Part of the composition root. */
import type { Services } from "../registry/services.js";
import type { Storage } from "../storage/storage.js";
import type { NamedUpstream, UpstreamNames } from "../upstream/names.js";
import { type OriginSettings, recordOrigins } from "../upstream/origins.js";
import type { Opening } from "./opening.js";

/** Warns of each upstream whose prefix has content from another URL. */
export async function warnOfChangedOrigins(
  { log }: Opening,
  storage: Storage,
  upstreams: readonly OriginSettings[],
): Promise<void> {
  for (const { upstream, ...change } of await recordOrigins(storage, upstreams))
    log.warn(
      { upstream, ...change },
      "an upstream registry has another URL or namespace than before, and what was cached from the earlier one is served as " +
        `the new one's, until a tag moves there; if they are not the same registry, run gantry cache prune --upstream ${upstream} --max-mib 0`,
    );
}

/** A folder with 100,000 repositories takes 2.5 s (measured); a slow disk or a bucket takes longer. */
const lookMilliseconds = 30_000;

/** Warns, after the start, if the default upstream hides repositories that were pushed here. */
export function openHiddenNamesWarning(
  { log, closers }: Opening,
  { storage, onBackgroundError }: Services,
  names: UpstreamNames<NamedUpstream>,
): void {
  if (names.default === undefined) return;
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(lookMilliseconds)]);
  const look = async () => {
    const { findHiddenNames } = await import("../upstream/hidden-names.js");
    const { count, examples, patterns, isComplete } = await findHiddenNames(storage, names, signal);
    if (count === 0 || stopping.signal.aborted) return;
    log.warn(
      { repositories: isComplete ? count : `at least ${count}`, examples },
      "repositories that were pushed here are hidden, because their names belong to the default upstream; to serve them " +
        `again, add patterns such as ${JSON.stringify(patterns)} to proxy.local`,
    );
  };
  const looking = look().catch(onBackgroundError);
  closers.add("look for hidden repositories", () => {
    stopping.abort();
    return looking;
  });
}
