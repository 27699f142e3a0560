import type { Socket } from "node:net";

/**
 * Ends a connection with a reset. A socket that is shutting down is only destroyed: libuv refuses to reset it, and Node then
 * waits for its close for ever when the process ends, with a busy CPU.
 */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
