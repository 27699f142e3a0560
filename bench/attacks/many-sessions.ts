/** Upload sessions without bytes, which the server must remember. */
import { Connection } from "../driver/connection.js";
import { Payload } from "../driver/payload.js";
import { expectStatus } from "../driver/registry.js";
import type { Attack, AttackTarget } from "./attack.js";

const connections = 20;
/** The limit of one client: fewer than by default, so that it is reached within seconds. */
const sessionsMax = 5_000;
const path = "/v2/attack/blobs/uploads/";

/** Opens sessions over one connection until one is refused or the time is over. */
async function openOver(target: AttackTarget): Promise<void> {
  using connection = await Connection.open(target);
  for (let count = 0; count <= sessionsMax && !target.signal.aborted; count++)
    if ((await connection.request("POST", path)).status === 429) return;
}

async function openSessions(target: AttackTarget): Promise<void> {
  await Promise.all(Array.from({ length: connections }, () => openOver(target)));
}

export const manySessions: Attack = {
  name: "many-sessions",
  what: "one anonymous client opens as many upload sessions as it can, over 20 connections",
  settings: { REGISTRY_LIMITS_SESSIONS_PERUSER: String(sessionsMax) },
  waitMillisecondsMax: 100,
  run: openSessions,
  check: async (target) => {
    // On a slow machine, the attack was too short for all.
    await openSessions(target);
    using connection = await Connection.open(target);
    expectStatus(await connection.request("POST", path), 429, "POST of another session");
    // Requests without a session are not refused.
    const body = new Payload(1000);
    const single = await connection.request("POST", `${path}?digest=${body.digest}`, { body });
    expectStatus(single, 201, "POST of a whole blob");
  },
};
