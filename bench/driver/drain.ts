/**
 * Pulls a body and discards it as fast as the kernel delivers it: all sockets read into one buffer that stays in the CPU
 * cache. Hashing is for the untimed check only.
 */
import { createHash, type Hash } from "node:crypto";
import { kibibyte } from "../units.js";
import { dialInto, type Endpoint } from "./endpoint.js";
import { parseHead, type ReplyHead } from "./reply.js";

const readBytes = 512 * kibibyte;
/** Sockets of one thread take turns: each read is handled before the next begins. */
const sharedBuffer = Buffer.allocUnsafeSlow(readBytes);

/** Reads the whole body at `path` and returns its length. */
export async function drain(endpoint: Endpoint, path: string): Promise<number> {
  return await pull(endpoint, path, undefined);
}

/** Reads the body and throws unless it has this digest. */
export async function verify(endpoint: Endpoint, path: string, digest: string): Promise<void> {
  const hash = createHash("sha256");
  await pull(endpoint, path, hash);
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== digest) {
    throw new Error(`${path} has ${found} instead of ${digest}`);
  }
}

async function pull(endpoint: Endpoint, path: string, hash: Hash | undefined): Promise<number> {
  return await new Promise((resolve, reject) => {
    let head: ReplyHead | undefined;
    let bodyBytes = 0;
    const receive = (received: Buffer): void => {
      let body = received;
      if (head === undefined) {
        // Every contender sends a reply's headers in one segment.
        head = parseHead(body);
        if (head?.status !== 200) {
          socket.destroy(new Error(`GET ${path}: ${head?.status ?? "half a head"}`));
          return;
        }
        if (head.isChunked) {
          socket.destroy(new Error(`GET ${path}: its end cannot be seen in chunks`));
          return;
        }
        body = body.subarray(head.headBytes);
      }
      bodyBytes += body.length;
      hash?.update(body);
      if (bodyBytes >= head.contentLength) {
        resolve(bodyBytes);
        socket.destroy();
      }
    };
    const socket = dialInto(endpoint, sharedBuffer, receive);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`GET ${path}: closed after ${bodyBytes} bytes`)));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${endpoint.port}\r\n\r\n`);
  });
}
