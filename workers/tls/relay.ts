/**
 * Relays the plain bytes of one connection between its client and the registry's local socket. Reads from one side only as
 * fast as the other accepts; the end of one side ends the other.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { ClientConnection } from "./client-connection.js";

export interface RelayOptions {
  readonly socketPath: string;
  /** Sent before the client's first byte. */
  readonly header: Buffer;
}

/** Bytes read from the registry at a time, and sent to the client before more are read. */
const answerBytes = 64 * 1024;

/** Bytes queued for the registry before the client is paused. */
const requestBytesMax = 64 * 1024;

/** How long the accept queue of the local socket may stay full while the main thread is busy. */
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
  // Sent in one piece: uWebSockets.js rejects a header that no request follows at once.
  inner.write(Buffer.concat([header, ...start]));
  sendGathered(outer, inner);
  return closed;
}

/** TLS delivers at most 16 KiB at a time: combine what arrives in one turn of the event loop into one write. */
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

/** Returns undefined, and ends the client's side, if no server accepts the connection. */
async function connectTo(path: string, { socket: outer }: ClientConnection): Promise<Socket | undefined> {
  while (!outer.destroyed) {
    const inner = connectInto(path, outer);
    try {
      await once(inner, "connect");
      return inner;
    } catch (error) {
      // The accept queue is full. Any other error means that the registry has stopped.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") outer.destroy();
    }
    await setTimeout(connectAgainMilliseconds);
  }
  return undefined;
}

/**
 * Connects to the local socket and passes all its bytes to `outer` through one reused buffer: allocating thousands of buffers a
 * second is more than the garbage collector keeps up with.
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
