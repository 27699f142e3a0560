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
  outer.pipe(inner);
  inner.pipe(outer);
  return closed;
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
