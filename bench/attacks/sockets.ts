/** Raw connections of an attack: they send as fast as the server accepts, and ignore refusals. */
import type { Socket } from "node:net";
import { dial } from "../driver/endpoint.js";
import type { AttackTarget } from "./attack.js";

/** Opens a connection that ends with the attack. Ignores errors, because a server may close any. */
export function open(target: AttackTarget): Socket {
  const socket = dial(target).on("error", () => {});
  const destroy = () => socket.destroy();
  target.signal.addEventListener("abort", destroy, { once: true });
  socket.once("close", () => target.signal.removeEventListener("abort", destroy));
  socket.resume();
  return socket;
}

/** Sends `pieces` in order. Resolves when all were sent or the connection has ended. */
export async function send(socket: Socket, pieces: Iterable<Buffer | string>): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed || socket.writableEnded) return;
    if (socket.write(piece)) continue;
    await new Promise<void>((resolve) => {
      const go = () => {
        socket.off("drain", go).off("close", go);
        resolve();
      };
      socket.on("drain", go).on("close", go);
    });
  }
}

/** Resolves when the connection has ended, by either side or at the end of the attack. */
export async function ended(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
}
