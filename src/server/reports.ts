/** Opens the figures that pages show, and keeps those of the last day across restarts. Part of the composition root. */
import { restoreActivity, saveActivity } from "../browse/activity-note.js";
import { Reports } from "../browse/reports.js";
import { SharedActivity } from "../browse/shared-activity.js";
import { everySeconds } from "../lib/every-seconds.js";
import type { Services } from "../registry/services.js";
import type { UpstreamCache } from "../upstream/cache.js";
import type { Opening } from "./opening.js";

/** Decides how exactly it is known in which quarter of an hour something was. */
const sampledEverySeconds = 10;

/** A crash loses the activity since the last save. */
const savedEverySeconds = 15 * 60;

/** How old the figures of other nodes may be. */
const sharedEverySeconds = 60;

export async function openReports(
  { closers }: Opening,
  services: Services,
  upstreams: UpstreamCache | undefined,
  hasOtherNodes: boolean,
): Promise<Reports> {
  const { storage, onBackgroundError } = services;
  const reports = new Reports(services, upstreams, hasOtherNodes);
  const { activity } = reports;
  const sampling = everySeconds(sampledEverySeconds, async () => activity.sample(), onBackgroundError);
  closers.add("activity", sampling.stop);
  if (!storage.readOnly) {
    const shared = hasOtherNodes ? new SharedActivity(activity, storage.notes) : undefined;
    const save = () => shared?.exchange() ?? saveActivity(activity, storage.notes);
    // Without their figures, pages show only this node's.
    if (shared !== undefined) await shared.exchange().catch(onBackgroundError);
    else await restoreActivity(activity, storage.notes);
    const seconds = hasOtherNodes ? sharedEverySeconds : savedEverySeconds;
    closers.add("saved activity", save);
    closers.add("saving of activity", everySeconds(seconds, save, onBackgroundError).stop);
  }
  closers.add("reports of pages", () => reports.close());
  return reports;
}
