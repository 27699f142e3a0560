/** Refuses connections beyond the limits, before they cost a handshake. */
import type { Socket } from "node:net";
import { AddressRanges } from "../../src/lib/address-ranges.js";
import type { Refusal } from "../../src/lib/connection-counts.js";
import { type ConnectionLimits, mustLeaveRoom } from "../../src/lib/connection-limits.js";
import { networkOf } from "../../src/lib/network.js";
import { Places } from "../../src/lib/places.js";

/** Refusals are reported in batches, so that a flood of connections does not become a flood of messages. */
const toldEveryMilliseconds = 1000;

export class Doorkeeper {
  readonly #places: Places;
  readonly #proxies: AddressRanges;
  #refused: Record<Refusal, number> | undefined;

  constructor(
    readonly limits: ConnectionLimits,
    proxies: readonly string[],
    readonly onRefused: (refused: Readonly<Record<Refusal, number>>) => void,
  ) {
    this.#places = new Places(limits.total, limits.perClient);
    this.#proxies = new AddressRanges(proxies);
  }

  /** Returns whether `socket` may stay, and closes it otherwise. */
  admit(socket: Socket): boolean {
    const address = plainAddress(socket.remoteAddress ?? "");
    // A proxy's connections belong to many clients, so the limit per client does not apply.
    const holder = this.#proxies.has(address) ? `${address} ${socket.remotePort}` : networkOf(address);
    const { taken } = this.#places;
    const { total } = this.limits;
    const isFull = taken >= total || mustLeaveRoom(this.#places.takenBy(holder), taken, total);
    if (isFull || !this.#places.enter(holder)) {
      this.#refuse(socket, isFull ? "total" : "client");
      return false;
    }
    socket.once("close", () => this.#places.leave(holder));
    return true;
  }

  #refuse(socket: Socket, refusal: Refusal): void {
    socket.destroy();
    if (this.#refused === undefined) {
      const refused = { total: 0, client: 0 };
      this.#refused = refused;
      setTimeout(() => {
        this.#refused = undefined;
        this.onRefused(refused);
      }, toldEveryMilliseconds).unref();
    }
    this.#refused[refusal]++;
  }
}

/** Returns an IPv4-mapped address as IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
