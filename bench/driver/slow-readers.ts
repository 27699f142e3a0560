/** Many clients that take a little of a large body, pause, and take a little more: they never finish. */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { kibibyte } from "../units.js";

export interface SlowReading {
  readonly port: number;
  readonly path: string;
  readonly readers: number;
  readonly seconds: number;
}

/** What a slow line takes at a time, and how long it then waits: 640 KB/s for each reader. */
const sipBytes = 32 * kibibyte;
const pauseMilliseconds = 50;

/** Reads for the given time, then hangs up. Gives the bytes each reader received. */
export async function readSlowly({ port, path, readers, seconds }: SlowReading): Promise<readonly number[]> {
  const received = new Array<number>(readers).fill(0);
  let failure: Error | undefined;
  const buffer = Buffer.allocUnsafeSlow(sipBytes);
  const sockets = received.map((_, reader) => {
    const sip = (bytesRead: number): boolean => {
      if (received[reader] === 0 && !buffer.toString("latin1", 0, 12).startsWith("HTTP/1.1 200")) {
        failure ??= new Error(`GET ${path}: ${buffer.toString("latin1", 0, 40)}`);
      }
      received[reader] = (received[reader] ?? 0) + bytesRead;
      setTimeout(() => socket.resume(), pauseMilliseconds);
      return false;
    };
    const socket = connect({ port, host: "127.0.0.1", onread: { buffer, callback: sip } });
    socket.on("error", (error) => {
      failure ??= error;
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
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
