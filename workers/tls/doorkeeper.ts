/** Refuses connections beyond the limits, before they cost a handshake. */
import type { Socket } from "node:net";
import { AddressRanges } from "../../src/lib/address-ranges.js";
import type { Refusal } from "../../src/lib/connection-counts.js";
import type { ConnectionLimits } from "../../src/lib/connection-limits.js";
import { networkOf } from "../../src/lib/network.js";
import { Places } from "../../src/lib/places.js";

/** Refusals are told together: a flood of connections is not to be one of messages. */
const toldEveryMilliseconds = 1000;

export class Doorkeeper {
  readonly #places: Places;
  readonly #proxies: AddressRanges;
  #open = 0;
  #refused: Record<Refusal, number> | undefined;

  constructor(
    readonly limits: ConnectionLimits,
    proxies: readonly string[],
    readonly onRefused: (refused: Readonly<Record<Refusal, number>>) => void,
  ) {
    this.#places = new Places(limits.total, limits.perClient);
    this.#proxies = new AddressRanges(proxies);
  }

  /** Whether `socket` may stay; it is closed where not. */
  admit(socket: Socket): boolean {
    const address = plainAddress(socket.remoteAddress ?? "");
    // A proxy's connections are those of many clients: each stands for itself.
    const holder = this.#proxies.has(address) ? `${address} ${socket.remotePort}` : networkOf(address);
    if (!this.#places.enter(holder)) {
      this.#refuse(socket);
      return false;
    }
    this.#open++;
    socket.once("close", () => {
      this.#open--;
      this.#places.leave(holder);
    });
    return true;
  }

  #refuse(socket: Socket): void {
    socket.destroy();
    if (this.#refused === undefined) {
      const refused = { total: 0, client: 0 };
      this.#refused = refused;
      setTimeout(() => {
        this.#refused = undefined;
        this.onRefused(refused);
      }, toldEveryMilliseconds).unref();
    }
    this.#refused[this.#open >= this.limits.total ? "total" : "client"]++;
  }
}

/** An IPv4 address in its own form where it came to a socket for both. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
