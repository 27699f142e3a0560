/** Opens the periodic work: garbage collection, health checks, and saving the times of use. */
import { collectOnce } from "../commands/gc.js";
import { isNothing } from "../gc/report.js";
import { everySeconds } from "../lib/every-seconds.js";
import type { Services } from "../registry/services.js";
import type { Opening } from "./opening.js";

const usesSavedEverySeconds = 60;

/** Each check syncs a file. */
const healthEverySecondsMin = 0.01;

/** Saves when tags were pulled and robots were used, independently, so that one failure does not affect the other. */
export function openUsesSaving(
  { closers }: Opening,
  { storage, pulls, robots, onBackgroundError }: Services,
): void {
  if (storage.readOnly) return;
  for (const save of [() => pulls.save(storage.tags), () => robots.saveUses()])
    closers.add("saving", everySeconds(usesSavedEverySeconds, save, onBackgroundError).stop);
}

export function openGarbageCollection({ config, log, closers }: Opening, services: Services): void {
  const { interval, untagged } = config.gc;
  const collecting = everySeconds(
    services.storage.readOnly ? 0 : interval,
    async (signal) => {
      const options = { untaggedSeconds: untagged, dryRun: false, signal };
      const { retention, garbage } = await collectOnce(services, options);
      if (retention.unread.length > 0) log.warn(retention, "tags removed; some could not be read or removed");
      else if (retention.tags > 0) log.info(retention, "tags removed");
      if (!isNothing(garbage)) log.info(garbage, "garbage collected");
    },
    services.onBackgroundError,
  );
  closers.add("garbage collection", collecting.stop);
}

export function openHealthChecks(
  { config, closers }: Opening,
  { health, onBackgroundError }: Services,
): void {
  const { enabled, interval } = config.health.storagedriver;
  if (enabled) void health.look();
  const everySecond = enabled ? Math.max(interval, healthEverySecondsMin) : 0;
  closers.add("health checks", everySeconds(everySecond, () => health.look(), onBackgroundError).stop);
}
