/**
 * Bounds what whole responses cost that a client does not read at once: their memory by a budget, and the time to write
 * large ones by slices. uWebSockets.js itself would buffer any number of them.
 */
import { ByteBudget } from "../lib/byte-budget.js";
import { Slices } from "../lib/slices.js";

/** Larger responses are written in a slice of their own: they take up to some milliseconds. */
export const largeBytes = 128 * 1024;

const heldBytesMax = 64 * 1024 * 1024;

export class Outbox {
  readonly slices = new Slices();
  readonly #memory = new ByteBudget(heldBytesMax, heldBytesMax / 2);
  /** Buffers that unfinished responses need, each with their number. A cached manifest is counted once. */
  readonly #held = new Map<ArrayBufferLike, { readonly release: () => void; users: number }>();

  /** Bytes held for clients that do not read. */
  get heldBytes(): number {
    return this.#memory.taken;
  }

  /** Holds the parts of a response. Returns a function to call when they are sent, `undefined` if there is no room. */
  hold(client: string, parts: readonly Uint8Array[]): (() => void) | undefined {
    const buffers = [...new Set(parts.map(({ buffer }) => buffer))];
    const account = this.#memory.account(client);
    const added = buffers.filter((buffer) => !this.#held.has(buffer));
    if (!account.take(added.reduce((sum, { byteLength }) => sum + byteLength, 0))) return undefined;
    for (const buffer of added)
      this.#held.set(buffer, { release: () => account.give(buffer.byteLength), users: 0 });
    for (const buffer of buffers) this.#use(buffer, 1);
    return () => {
      for (const buffer of buffers) this.#use(buffer, -1);
    };
  }

  #use(buffer: ArrayBufferLike, change: number): void {
    const held = this.#held.get(buffer);
    if (held === undefined) return;
    held.users += change;
    if (held.users > 0) return;
    this.#held.delete(buffer);
    held.release();
  }
}
