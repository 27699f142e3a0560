/**
 * Bounds the cost of whole responses that clients do not read at once: a budget bounds their memory, and slices bound the
 * time to write large ones. uWebSockets.js itself would buffer any number of them.
 */
import { ByteBudget } from "../lib/byte-budget.js";
import { Slices } from "../lib/slices.js";
import { TurnBudget } from "../lib/turn-budget.js";

/** Each larger response is written in a slice of its own, because that takes up to some milliseconds. */
export const largeBytes = 128 * 1024;

const heldBytesMax = 64 * 1024 * 1024;

/**
 * Pieces of downloads, of up to 2 MiB, that are written in one turn of the event loop without waiting: some 20 ms. With 4, readers
 * of one blob drifted apart, and eight of them took 1.3 times the CPU time, because each piece had left the CPU's cache.
 */
const piecesPerTurnMax = 16;

export class Outbox {
  readonly slices = new Slices();
  readonly #pieces = new TurnBudget(piecesPerTurnMax, 1);
  readonly #memory = new ByteBudget(heldBytesMax, heldBytesMax / 2);
  /** Buffers of unfinished responses, each with the number of responses that use it. A cached manifest is charged once. */
  readonly #held = new Map<ArrayBufferLike, { readonly release: () => void; users: number }>();

  /** Bytes held for clients that do not read. */
  get heldBytes(): number {
    return this.#memory.taken;
  }

  /**
   * Call it before writing a piece of a download. If others have used up this turn of the event loop, returns a promise like
   * that of `Slices.next`. A fast connection accepts megabytes at once, and many together would hold up other requests.
   */
  untilPiece(client: string, gone: () => AbortSignal): Promise<void> | undefined {
    return this.#pieces.take() ? undefined : this.slices.next(client, gone());
  }

  /** Charges the parts of a response to `client`. Returns the function that releases them, or `undefined` without room. */
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
