/** Opens the web page, if it is enabled. Part of the composition root. */
import { readFile } from "node:fs/promises";
import { Browse } from "../browse/browse.js";
import type { Config } from "../config/config.js";
import { isProtected } from "../config/is-protected.js";
import type { Login } from "../http/context.js";
import { Assets } from "../http/web/assets.js";
import { LiveUpdates } from "../http/web/live-updates.js";
import type { Web } from "../http/web/web.js";
import { AddressRanges } from "../lib/address-ranges.js";
import { everySeconds } from "../lib/every-seconds.js";
import { KeyedTurns } from "../lib/keyed-turns.js";
import { Places } from "../lib/places.js";
import type { Services } from "../registry/services.js";
import type { UpstreamCache } from "../upstream/cache.js";
import type { Opening } from "./opening.js";
import { openReports } from "./reports.js";
import { openWebLogins } from "./web-logins.js";

/** The parts opened before. */
export interface WebParts {
  readonly services: Services;
  readonly login: Login | undefined;
  readonly upstreams: UpstreamCache | undefined;
  /** Whether other nodes may serve the same registry. */
  readonly hasOtherNodes: boolean;
}

/**
 * Concurrent pages of one client that use the event loop, each at most some 20 ms. A browser asks for few at a time, and the
 * others wait. A page that waits longer for the storage gives up its turn, so that it does not hold up the others.
 */
const pagesAtOnce = 4;

/** Pages that are not answered yet, of all clients and of one. */
const openPagesMax = 512;
const openPagesPerClientMax = 16;

/** A process follows all tags for some minutes after a page. */
const followSeconds = 60;

/** Returns `undefined` if there is no web page. */
export async function openWeb(
  opening: Opening,
  { services, login, upstreams, hasOtherNodes }: WebParts,
): Promise<Web | undefined> {
  const { config, closers } = opening;
  if (!hasPages(config)) return undefined;
  const browse = new Browse(services, { untaggedSeconds: config.gc.untagged });
  closers.add("indexes of the web page", () => browse.close());
  const live = new LiveUpdates();
  closers.add("changes for pages", services.cluster.changes.subscribe(live.onChange));
  // A stream receives changes for as long as it is open.
  const following = everySeconds(
    followSeconds,
    async () => {
      if (live.size > 0) await services.cluster.changes.followAll();
    },
    services.onBackgroundError,
  );
  closers.add("changes of tags for pages", () => following.stop());
  const reports = await openReports(opening, services, upstreams, hasOtherNodes);
  const [logins, assets] = await Promise.all([openWebLogins(opening, services, login), readAssets()]);
  const turns = new KeyedTurns(pagesAtOnce);
  const open = new Places(openPagesMax, openPagesPerClientMax);
  return { ...logins, assets, browse, live, turns, open, reports, publicOrigin: config.http.host };
}

const loopback = new AddressRanges(["127.0.0.0/8", "::1"]);

/** Returns whether the settings enable the web page. */
export function hasPages(config: Config): boolean {
  const { ui, addr } = config.http;
  if (ui.enabled !== "auto") return ui.enabled === "true";
  const { host } = addr;
  return !isProtected(config) && host !== undefined && (host === "localhost" || loopback.has(host));
}

async function readAssets(): Promise<Assets> {
  const read = (name: string) => readFile(new URL(`../http/web/${name}`, import.meta.url));
  const [style, script, icon] = await Promise.all([
    read("style.css"),
    read("browser/page.js"),
    read("icon.svg"),
  ]);
  return new Assets({ style, script, icon });
}
