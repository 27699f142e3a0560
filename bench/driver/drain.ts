/**
 * Pulls a body and throws it away as fast as the kernel hands it over: all sockets read into one buffer
 * that stays in the processor's cache. Hashing is for the untimed check only.
 */
import { createHash, type Hash } from "node:crypto";
import { connect } from "node:net";
import { kibibyte } from "../units.js";
import { parseHead, type ReplyHead } from "./reply.js";

const readBytes = 512 * kibibyte;
/** Sockets of one thread take turns: each read is handled before the next begins. */
const sharedBuffer = Buffer.allocUnsafeSlow(readBytes);

/** Reads the whole body at `path` and gives its length. */
export async function drain(port: number, path: string): Promise<number> {
  return await pull(port, path, undefined);
}

/** Reads the body and throws unless it has this digest. */
export async function verify(port: number, path: string, digest: string): Promise<void> {
  const hash = createHash("sha256");
  await pull(port, path, hash);
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== digest) {
    throw new Error(`${path} has ${found} instead of ${digest}`);
  }
}

async function pull(port: number, path: string, hash: Hash | undefined): Promise<number> {
  return await new Promise((resolve, reject) => {
    let head: ReplyHead | undefined;
    let bodyBytes = 0;
    const receive = (bytesRead: number): boolean => {
      let body = sharedBuffer.subarray(0, bytesRead);
      if (head === undefined) {
        // The head of a reply comes in one segment from every contender.
        head = parseHead(body);
        if (head?.status !== 200) {
          socket.destroy(new Error(`GET ${path}: ${head?.status ?? "half a head"}`));
          return false;
        }
        body = body.subarray(head.headBytes);
      }
      bodyBytes += body.length;
      hash?.update(body);
      if (bodyBytes >= head.contentLength) {
        resolve(bodyBytes);
        socket.destroy();
      }
      return true;
    };
    const socket = connect({ port, host: "127.0.0.1", onread: { buffer: sharedBuffer, callback: receive } });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`GET ${path}: closed after ${bodyBytes} bytes`)));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  });
}
