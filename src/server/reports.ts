/** Opens the figures that pages show, and keeps those of the last day across restarts. Part of the composition root. */
import type { Activity } from "../browse/activity.js";
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

/** Nodes read each other's figures when they save theirs. */
const sharedEverySeconds = 60;

export async function openReports(
  opening: Opening,
  services: Services,
  upstreams: UpstreamCache | undefined,
  hasOtherNodes: boolean,
): Promise<Reports> {
  const { closers } = opening;
  const { storage, onBackgroundError } = services;
  const reports = new Reports(services, upstreams, hasOtherNodes);
  const { activity } = reports;
  const sampling = everySeconds(sampledEverySeconds, async () => activity.sample(), onBackgroundError);
  closers.add("activity", sampling.stop);
  if (!storage.readOnly)
    await keepActivity(opening, services, activity, hasOtherNodes ? sharedEverySeconds : savedEverySeconds);
  closers.add("reports of pages", () => reports.close());
  return reports;
}

async function keepActivity(
  { closers }: Opening,
  { storage: { notes }, cluster, onBackgroundError }: Services,
  activity: Activity,
  seconds: number,
): Promise<void> {
  const shared = new SharedActivity(activity, notes, cluster);
  // Without them, pages show only the figures of this process.
  await shared.refresh().catch(onBackgroundError);
  closers.add("saved activity", () => shared.leave());
  closers.add("saving of activity", everySeconds(seconds, () => shared.exchange(), onBackgroundError).stop);
}
