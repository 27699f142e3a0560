/** Opens the bound of the cache: the times of use, and the clock of evictions. Part of the composition root. */
import { everySeconds } from "../lib/every-seconds.js";
import type { Services } from "../registry/services.js";
import type { UpstreamCache } from "../upstream/cache.js";
import type { EvictionReport } from "../upstream/evictor.js";
import type { UseTimes } from "../upstream/use-times.js";
import type { Opening } from "./opening.js";

const usesSavedEverySeconds = 60;

/** Content goes within a tenth of its time too late, but a survey reads the whole cache. */
const clockShare = 0.1;
const clockSecondsMin = 0.2;
/** Also the time after which the bytes are counted again, rather than estimated. */
const clockSecondsMax = 3600;

export async function openUses({ storage }: Services): Promise<UseTimes> {
  const { UseTimes } = await import("../upstream/use-times.js");
  const uses = new UseTimes();
  await uses.restore(storage.notes);
  return uses;
}

export function openEviction(
  { log, closers }: Opening,
  { services, evictor, names, uses }: UpstreamCache,
): void {
  const { storage, onBackgroundError } = services;
  if (storage.readOnly) return;
  const times = names.upstreams.map(({ keptSeconds }) => keptSeconds).filter((seconds) => seconds > 0);
  const isBounded = evictor.options.bytesMax !== undefined;
  const seconds = Math.min(Math.max(Math.min(...times) * clockShare, clockSecondsMin), clockSecondsMax);
  const clock = everySeconds(
    isBounded || times.length > 0 ? seconds : 0,
    async () => report(await evictor.run()),
    evictor.options.onError,
  );
  const report = ({ evicted, ...totals }: EvictionReport) => {
    if (evicted.length > 0) log.info(totals, "cached content evicted");
  };
  closers.add("eviction", async () => {
    await Promise.all([clock.stop(), evictor.stop()]);
  });
  const saving = everySeconds(usesSavedEverySeconds, () => uses.save(storage.notes), onBackgroundError);
  closers.add("saving of uses", saving.stop);
}
