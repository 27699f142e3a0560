/** Clients of the web page that send, read or reconnect in the most inconvenient way. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Attack, AttackTarget } from "./attack.js";
import { ended, open } from "./sockets.js";
import { of, pushTags, settings, tag } from "./web-pages.js";

/** One address may have fewer connections. */
const addresses = ["127.0.0.1", "127.0.1.1", "127.0.1.2", "127.0.1.3"];

function from(target: AttackTarget, number: number): AttackTarget {
  return { ...target, localAddress: addresses[number % addresses.length] ?? "127.0.0.1" };
}

/** Pause before a reconnect. */
const pauseMilliseconds = 200;

/** Runs `attack` on so many connections at a time, each again when it has ended. */
async function always(
  target: AttackTarget,
  connections: number,
  attack: (target: AttackTarget, number: number) => Promise<void>,
): Promise<void> {
  await Promise.all(
    Array.from({ length: connections }, async (_, number) => {
      while (!target.signal.aborted) {
        await attack(from(target, number), number);
        await sleep(pauseMilliseconds);
      }
    }),
  );
}

const slowConnections = 10_000;
const byteEveryMilliseconds = 1_000;

/** Requests that are sent a byte at a time. */
const slowRequests = [
  `GET ${of}/_tags HTTP/1.1\r\nHost: localhost\r\nCookie: gantry-session=${"x".repeat(1_000)}`,
  `GET /ui/?q=${"x".repeat(1_000)}`,
];
const slowForms = [`${of}/_delete`, `${of}/_rollback/${tag}`, "/ui/robots"];

export const slowVisitors: Attack = {
  name: "slow-visitors",
  what: `${slowConnections} connections send requests and forms of pages a byte a second`,
  settings,
  waitMillisecondsMax: 100,
  prepare: pushTags,
  run: (target) =>
    always(target, slowConnections, async (own, number) => {
      const socket = open(own);
      const form = slowForms[number % 8];
      const head =
        form === undefined
          ? ""
          : `POST ${form} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 30000\r\n\r\n`;
      if (head !== "") socket.write(head);
      const rest = form === undefined ? (slowRequests[number % 2] ?? "") : "x".repeat(30_000);
      let sent = 0;
      const drip = setInterval(() => socket.write(rest[sent++ % rest.length] ?? "x"), byteEveryMilliseconds);
      await ended(socket);
      clearInterval(drip);
    }),
};

const unreadConnections = 2_000;

/** Long enough that the page before has been sent: uWebSockets.js drops a connection that does not wait for it. */
const requestEveryMilliseconds = 2_000;

export const unreadPages: Attack = {
  name: "unread-pages",
  what: `${unreadConnections} connections request a page of 45 KB again and again, and read nothing`,
  settings,
  waitMillisecondsMax: 100,
  prepare: pushTags,
  run: (target) =>
    always(target, unreadConnections, async (own, number) => {
      await sleep(number % requestEveryMilliseconds);
      if (target.signal.aborted) return;
      const socket = open(own).pause();
      const request = () => void socket.write(`GET ${of}/_tags HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      request();
      const repeat = setInterval(request, requestEveryMilliseconds);
      await ended(socket);
      clearInterval(repeat);
    }),
};

const streamHead = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

export const streamFlood: Attack = {
  name: "stream-flood",
  what: "200 connections open streams of live updates and close them at once, again and again",
  settings,
  waitMillisecondsMax: 100,
  prepare: pushTags,
  run: (target) =>
    Promise.all(
      Array.from({ length: 200 }, async (_, number) => {
        while (!target.signal.aborted) {
          const socket = open(from(target, number));
          socket.write(streamHead(number % 2 === 0 ? "/ui/events?at=1" : `${of}/_events?at=1`));
          socket.once("data", () => socket.resetAndDestroy());
          await ended(socket);
        }
      }),
    ).then(() => {}),
};
