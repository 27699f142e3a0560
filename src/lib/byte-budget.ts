/**
 * A memory budget shared by all clients, with a limit for each. A request that exceeds it is refused instead of queued:
 * growing bodies that wait for each other would never finish, while a refused one frees its memory for the others
 * (docs/decisions/0030). Bodies that can be written piece by piece use slabs instead.
 */

import { assert } from "./assert.js";
import type { MemoryAccount } from "./growing-buffer.js";

export class ByteBudget {
  #taken = 0;
  readonly #byClient = new Map<string, number>();

  constructor(
    readonly bytes: number,
    readonly bytesPerClient: number,
  ) {}

  /** Bytes currently in use. */
  get taken(): number {
    return this.#taken;
  }

  /** Returns the account of one client. */
  account(client: string): MemoryAccount {
    return {
      take: (bytes) => this.#take(client, bytes),
      give: (bytes) => this.#give(client, bytes),
    };
  }

  #take(client: string, bytes: number): boolean {
    if (bytes === 0) return true;
    const own = (this.#byClient.get(client) ?? 0) + bytes;
    if (this.#taken + bytes > this.bytes || own > this.bytesPerClient) return false;
    this.#taken += bytes;
    this.#byClient.set(client, own);
    return true;
  }

  #give(client: string, bytes: number): void {
    if (bytes === 0) return;
    const left = (this.#byClient.get(client) ?? 0) - bytes;
    assert(left >= 0, "a client gives back what it has taken");
    this.#taken -= bytes;
    if (left === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, left);
  }
}
