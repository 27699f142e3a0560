/**
 * Bounds the number of unfinished TLS handshakes: beyond the limit, the oldest is closed. An honest client needs milliseconds
 * and finishes before that; a client that opens connections and abandons them displaces its own.
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

export class Handshakes {
  /** By the client's address and port, which its TLS socket knows too, in order of arrival. */
  readonly #pending = new Map<string, Socket>();

  constructor(readonly atMost: number) {}

  begin(socket: Socket): void {
    const key = keyOf(socket);
    this.#pending.set(key, socket);
    socket.once("close", () => this.#forget(key, socket));
    if (this.#pending.size > this.atMost) this.#dropOldest();
  }

  /** Returns the connection below `socket`, whose handshake has finished, or undefined if it is gone. */
  end(socket: TLSSocket): Socket | undefined {
    const key = keyOf(socket);
    const below = this.#pending.get(key);
    this.#pending.delete(key);
    return below;
  }

  dropAll(): void {
    while (this.#pending.size > 0) this.#dropOldest();
  }

  #dropOldest(): void {
    for (const [key, socket] of this.#pending) {
      this.#pending.delete(key);
      socket.destroy();
      return;
    }
  }

  #forget(key: string, socket: Socket): void {
    if (this.#pending.get(key) === socket) this.#pending.delete(key);
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
