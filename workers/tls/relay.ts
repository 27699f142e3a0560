/**
 * Carries the plain bytes of one connection between its client and the registry's local socket. Takes from
 * neither more than the other takes off; either one's end is the other's.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { ClientConnection } from "./client-connection.js";

/** What waits for one side before the other is held back. */
const waitingBytesMax = 128 * 1024;

export interface RelayOptions {
  readonly socketPath: string;
  /** What goes before the client's first byte. */
  readonly header: Buffer;
}

/** For that long the queue of the local socket may stay full when the main thread has something else to do. */
const connectAgainMilliseconds = 10;

/** Resolves when the client's side is closed. */
export async function relay(client: ClientConnection, { socketPath, header }: RelayOptions): Promise<void> {
  const { socket: outer, closed } = client;
  const start = await client.firstLine();
  if (start === undefined) return closed;
  const inner = await connectTo(socketPath, client);
  if (inner === undefined) return closed;
  inner.on("error", () => outer.destroy());
  inner.once("close", () => client.sayGoodbye());
  outer.once("close", () => inner.destroy());
  // In one piece: uWebSockets.js takes a header with nothing behind it for a broken request.
  inner.write(Buffer.concat([header, ...start]));
  pump(outer, inner, gathering(inner));
  pump(inner, outer);
  return closed;
}

interface Sink {
  write(chunk: Buffer): void;
}

/** Like `pipe`, with room for more than 16 KiB: 64 come at a time, and each stop costs some calls of the kernel. */
function pump(from: Socket, to: Socket, sink: Sink = to): void {
  from.on("data", (chunk) => {
    sink.write(chunk);
    if (to.writableLength >= waitingBytesMax) from.pause();
  });
  to.on("drain", () => from.resume());
  from.on("end", () => to.end());
  from.resume();
}

/** TLS gives at most 16 KiB at a time: what comes in one turn of the event loop is written in one call. */
function gathering(socket: Socket): Sink {
  let isGathering = false;
  const writeAll = () => {
    isGathering = false;
    socket.uncork();
  };
  return {
    write: (chunk) => {
      if (!isGathering) {
        isGathering = true;
        socket.cork();
        setImmediate(writeAll);
      }
      socket.write(chunk);
    },
  };
}

/** `undefined`, and the client's side ended, where there is nobody to connect to. */
async function connectTo(path: string, { socket: outer }: ClientConnection): Promise<Socket | undefined> {
  while (!outer.destroyed) {
    const inner = connect({ path });
    try {
      await once(inner, "connect");
      return inner;
    } catch (error) {
      // The queue is full. Anything else: the registry has stopped.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") outer.destroy();
    }
    await setTimeout(connectAgainMilliseconds);
  }
  return undefined;
}
