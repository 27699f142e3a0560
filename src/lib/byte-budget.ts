/**
 * Memory that all clients share, of which each may take a part. Nobody waits for it: of bodies that grow together and
 * wait for each other none would come to its end, while one that is refused makes room for the others
 * (docs/decisions/0030). What can go on in pieces takes slabs instead.
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

  /** Bytes that are taken at the moment. */
  get taken(): number {
    return this.#taken;
  }

  /** What one client takes. */
  account(client: string): MemoryAccount {
    return {
      take: (bytes) => this.#take(client, bytes),
      give: (bytes) => this.#give(client, bytes),
    };
  }

  #take(client: string, bytes: number): boolean {
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
