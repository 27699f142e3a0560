/** Many clients that take a little of a large body, pause, and take a little more: they never finish. */
import { setTimeout as sleep } from "node:timers/promises";
import { kibibyte } from "../units.js";
import { dialInto, type Endpoint } from "./endpoint.js";

export interface SlowReading {
  readonly endpoint: Endpoint;
  readonly path: string;
  readonly readers: number;
  readonly seconds: number;
}

/** What a slow line takes at a time (half of it by TLS, in whose pieces it comes), and how long it then waits: 640 KB/s. */
const sipBytes = 32 * kibibyte;
const pauseMilliseconds = 50;

/** Reads for the given time, then hangs up. Gives the bytes each reader received. */
export async function readSlowly({
  endpoint,
  path,
  readers,
  seconds,
}: SlowReading): Promise<readonly number[]> {
  const received = new Array<number>(readers).fill(0);
  let failure: Error | undefined;
  const buffer = Buffer.allocUnsafeSlow(sipBytes);
  const sockets = received.map((_, reader) => {
    const sip = (piece: Buffer): void => {
      if (received[reader] === 0 && !piece.toString("latin1", 0, 12).startsWith("HTTP/1.1 200")) {
        failure ??= new Error(`GET ${path}: ${piece.toString("latin1", 0, 40)}`);
      }
      received[reader] = (received[reader] ?? 0) + piece.length;
      socket.pause();
      setTimeout(() => socket.resume(), pauseMilliseconds);
    };
    const socket = dialInto(endpoint, buffer, sip);
    socket.on("error", (error) => {
      failure ??= error;
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${endpoint.port}\r\n\r\n`);
    return socket;
  });
  await sleep(seconds * 1000);
  for (const socket of sockets) {
    socket.destroy();
  }
  if (failure !== undefined) {
    throw failure;
  }
  return received;
}
