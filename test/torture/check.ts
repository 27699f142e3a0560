/** The complete check of a server restarted after a crash. */
import { readFileSync } from "node:fs";
import { isSessionId, type SessionId } from "../../src/domain/session-id.js";
import { Layout } from "../../src/storage/filesystem/layout.js";
import { checkApi } from "./check-api.js";
import { checkSessions } from "./check-sessions.js";
import { checkStore } from "./check-store.js";
import type { Ledger } from "./ledger.js";
import type { Random } from "./random.js";
import { Gone, type Life, Requests } from "./requests.js";
import type { Sessions } from "./sessions.js";
import type { Universe } from "./universe.js";
import type { Violations } from "./violations.js";

/** The history of a store. */
export interface World {
  readonly universe: Universe;
  readonly ledger: Ledger;
  readonly sessions: Sessions;
  readonly violations: Violations;
}

/**
 * Checks the API and the files, records the visible state as the real one, and continues uploads. The order matters: reads
 * must precede writes, and the API, which repairs tags, must precede the files.
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
  const layout = new Layout(root);
  const bytesOf = (id: string) => readIfThere(layout.upload(asSession(id)));
  await checkSessions(requests, stored, random, losesUnsynced, { bytesOf }).catch((error: unknown) => {
    // The violations already contain the error.
    if (!(error instanceof Gone)) throw error;
  });
}

function asSession(id: string): SessionId {
  if (!isSessionId(id)) throw new Error(`${id} is no session`);
  return id;
}

/** An upload without bytes has no file. */
function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return Buffer.alloc(0);
  }
}
