/** Many clients that send a little of a layer, pause, and send more: they never finish. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { withConnections } from "./clients.js";
import { dial, type Endpoint, readyEvent } from "./endpoint.js";
import { openUpload } from "./registry.js";

/** Bytes that a slow link sends at a time, and its pause: 50 KB/s. */
const biteBytes = 5_000;
const pauseMilliseconds = 100;
const bite = Buffer.concat([
  Buffer.from(`${biteBytes.toString(16)}\r\n`),
  Buffer.alloc(biteBytes, "slow"),
  Buffer.from("\r\n"),
]);

/** They send from now on; dispose them to disconnect. */
export class SlowSenders implements Disposable {
  readonly #timers: readonly NodeJS.Timeout[];
  #failure: Error | undefined;

  private constructor(readonly sockets: readonly Socket[]) {
    for (const socket of sockets) {
      const fail = (why: string) => () => {
        this.#failure ??= new Error(`a slow sender ${why}`);
      };
      socket.on("error", fail("lost its connection"));
      socket.on("data", fail("got a response before it had ended"));
      socket.on("end", fail("was disconnected"));
    }
    this.#timers = sockets.map((socket) => setInterval(() => socket.write(bite), pauseMilliseconds));
  }

  /** Each in a session of its own. */
  static async start(endpoint: Endpoint, repository: string, senders: number): Promise<SlowSenders> {
    const sessions = await withConnections(endpoint, senders, (connections) =>
      Promise.all(connections.map((connection) => openUpload(connection, repository))),
    );
    const sockets = await Promise.all(
      sessions.map(async (session) => {
        const socket = dial(endpoint);
        await once(socket, readyEvent(endpoint));
        socket.write(
          `PATCH ${session} HTTP/1.1\r\nHost: 127.0.0.1:${endpoint.port}\r\n` +
            "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        return socket;
      }),
    );
    return new SlowSenders(sockets);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.sockets) socket.destroy();
  }

  /** Throws the error of any of them. */
  assertServed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
