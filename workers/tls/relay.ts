/**
 * Carries the plain bytes of one connection between its client and the registry's local socket. Takes from
 * neither more than the other takes off; either one's end is the other's.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { ClientConnection } from "./client-connection.js";

export interface RelayOptions {
  readonly socketPath: string;
  /** What goes before the client's first byte. */
  readonly header: Buffer;
}

/** Read from the registry at a time, and on its way to the client before more is read. */
const answerBytes = 64 * 1024;

/** What waits for the registry before the client is held back. */
const requestBytesMax = 64 * 1024;

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
  sendGathered(outer, inner);
  return closed;
}

/** TLS gives at most 16 KiB at a time: what comes in one turn of the event loop is written in one call. */
function sendGathered(from: Socket, to: Socket): void {
  let isGathering = false;
  const send = () => {
    isGathering = false;
    to.uncork();
  };
  from.on("data", (chunk) => {
    if (!isGathering) {
      isGathering = true;
      to.cork();
      setImmediate(send);
    }
    to.write(chunk);
    if (to.writableLength >= requestBytesMax) from.pause();
  });
  to.on("drain", () => from.resume());
  from.on("end", () => to.end());
  from.resume();
}

/** `undefined`, and the client's side ended, where there is nobody to connect to. */
async function connectTo(path: string, { socket: outer }: ClientConnection): Promise<Socket | undefined> {
  while (!outer.destroyed) {
    const inner = connectInto(path, outer);
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

/**
 * A connection to the local socket, all of whose bytes go to `outer`: through one buffer, used again when what is in
 * it has gone, since thousands of buffers a second are more than the garbage collector keeps up with.
 */
function connectInto(path: string, outer: Socket): Socket {
  const buffer = Buffer.allocUnsafeSlow(answerBytes);
  const callback = (bytes: number): boolean => {
    outer.write(buffer.subarray(0, bytes), () => inner.resume());
    return false;
  };
  const inner = connect({ path, onread: { buffer, callback } });
  inner.on("end", () => outer.end());
  return inner;
}
