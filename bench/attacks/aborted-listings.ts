/** Abandoned lists: a client requests a long one, disconnects, and repeats. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "../driver/connection.js";
import { expectStatus, manifestPath } from "../driver/registry.js";
import type { Attack, AttackTarget } from "./attack.js";
import { open, send } from "./sockets.js";

const indexMediaType = "application/vnd.oci.image.index.v1+json";
const referrers = 800;
const connections = 16;
const connectionsAtOnce = 200;
const leavesAfterMilliseconds = 20;
/** Many times the duration of one list on an idle server. */
const listingSecondsMax = 5;

const subject = digestOf("the subject of many");

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

async function pushReferrers(target: AttackTarget, first: number): Promise<void> {
  using connection = await Connection.open(target);
  for (let number = first; number < referrers; number += connections) {
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: indexMediaType,
      manifests: [],
      subject: { mediaType: indexMediaType, digest: subject, size: 1 },
      annotations: { number: String(number), text: "x".repeat(1_500) },
    });
    const bytes = Buffer.from(text);
    const path = manifestPath("attack", digestOf(text));
    const body = { length: bytes.length, pieces: () => [[bytes]] };
    const headers = { "Content-Type": indexMediaType };
    expectStatus(await connection.request("PUT", path, { headers, body }), 201, "PUT of a referrer");
  }
}

/** With a filter that matches nothing, a list is as long, and has no page at which it could stop. */
async function askAndLeave(target: AttackTarget, filtered: boolean): Promise<void> {
  const query = filtered ? "?artifactType=none/such" : "";
  while (!target.signal.aborted) {
    const socket = open(target);
    await send(socket, [`GET /v2/attack/referrers/${subject}${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`]);
    await sleep(leavesAfterMilliseconds);
    socket.resetAndDestroy();
    // A burst of all connections, and time for a server that continues abandoned lists to fall behind.
    await sleep(1_000);
  }
}

export const abortedListings: Attack = {
  name: "aborted-listings",
  what: "200 concurrent clients request a list of 800 referrers and disconnect after 20 ms",
  waitMillisecondsMax: 100,
  prepare: async (target) => {
    await Promise.all(Array.from({ length: connections }, (_, first) => pushReferrers(target, first)));
  },
  run: async (target) => {
    await Promise.all(
      Array.from({ length: connectionsAtOnce }, (_, number) => askAndLeave(target, number % 2 === 0)),
    );
  },
  check: async (target) => {
    using connection = await Connection.open(target);
    const since = performance.now();
    const reply = await connection.request("GET", `/v2/attack/referrers/${subject}`);
    const { manifests } = JSON.parse(expectStatus(reply, 200, "GET of referrers").body.toString());
    if (manifests.length !== referrers) throw new Error(`${manifests.length} referrers are listed`);
    const seconds = (performance.now() - since) / 1000;
    if (seconds > listingSecondsMax) throw new Error(`the server still serves other clients: ${seconds} s`);
  },
};
