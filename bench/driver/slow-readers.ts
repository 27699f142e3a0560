/** Many clients that read a little of a large body, pause, and read more: they never finish. */
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { kibibyte } from "../units.js";
import { dialInto, type Endpoint } from "./endpoint.js";

export interface SlowReading {
  readonly endpoint: Endpoint;
  readonly path: string;
  readonly readers: number;
}

/** Bytes that a slow link reads at a time (half of it with TLS, because of its record size), and its pause: 640 KB/s. */
const sipBytes = 32 * kibibyte;
const pauseMilliseconds = 50;

/** They read from now on; dispose them to disconnect. */
export class SlowReaders implements Disposable {
  /** Bytes that each has received. */
  readonly received: number[];
  readonly #sockets: readonly Socket[];
  #failure: Error | undefined;

  constructor({ endpoint, path, readers }: SlowReading) {
    this.received = new Array<number>(readers).fill(0);
    const buffer = Buffer.allocUnsafeSlow(sipBytes);
    this.#sockets = this.received.map((_, reader) => {
      const socket = dialInto(endpoint, buffer, (piece) => {
        const before = this.received[reader] ?? 0;
        if (before === 0 && !piece.toString("latin1", 0, 12).startsWith("HTTP/1.1 200"))
          this.#failure ??= new Error(`GET ${path}: ${piece.toString("latin1", 0, 40)}`);
        this.received[reader] = before + piece.length;
        socket.pause();
        setTimeout(() => socket.resume(), pauseMilliseconds);
      });
      socket.on("error", (error) => {
        this.#failure ??= error;
      });
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${endpoint.port}\r\n\r\n`);
      return socket;
    });
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Throws the error of any of them. */
  assertServed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** Reads for the given time, then disconnects. Returns the bytes received by each reader. */
export async function readSlowly(reading: SlowReading, seconds: number): Promise<readonly number[]> {
  using readers = new SlowReaders(reading);
  await sleep(seconds * 1000);
  readers.assertServed();
  return readers.received;
}
