/** The whole check of a server that was started again after a crash. */
import { checkApi } from "./check-api.js";
import { checkSessions } from "./check-sessions.js";
import { checkStore } from "./check-store.js";
import type { Ledger } from "./ledger.js";
import type { Random } from "./random.js";
import { Gone, type Life, Requests } from "./requests.js";
import type { Sessions } from "./sessions.js";
import type { Universe } from "./universe.js";
import type { Violations } from "./violations.js";

/** What a store's life has been so far. */
export interface World {
  readonly universe: Universe;
  readonly ledger: Ledger;
  readonly sessions: Sessions;
  readonly violations: Violations;
}

/**
 * Looks at the API and at the files, takes what they show for what is, and carries uploads on. The order
 * matters: looking must come before anything is written, the files after the API, which heals tags.
 */
export async function checkRestarted(
  world: World,
  url: string,
  root: string,
  random: Random,
  losesUnsynced: boolean,
): Promise<void> {
  const { universe, ledger, violations } = world;
  const found = await checkApi({ ...world, url });
  for (const [key, value] of found) ledger.settle(key, value);
  const stored = checkStore(root, universe, violations, !losesUnsynced);
  const life: Life = { url, over: false, onEvent: () => {} };
  const requests = new Requests(life, universe, ledger, world.sessions, violations);
  await checkSessions(requests, stored, random, losesUnsynced).catch((error: unknown) => {
    // What went wrong is among the violations already.
    if (!(error instanceof Gone)) throw error;
  });
}
