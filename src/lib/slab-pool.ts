/**
 * The bounded memory of all uploads together: one shared buffer, cut into slabs that are lent, first
 * come first served. Whatever the number of uploads, bodies never take more than this.
 */

import { alignedMemory } from "./aligned-memory.js";
import { assert } from "./assert.js";
import { ByteBudget } from "./byte-budget.js";

/**
 * Some bytes in a slab. They begin as far behind the beginning of a block as they do in their upload: so
 * what is a block there is one here, and can be written to the disk from where it is.
 */
export interface SlabPart {
  readonly slab: number;
  readonly start: number;
  readonly length: number;
}

export interface SlabPoolOptions {
  readonly slabBytes: number;
  readonly slabs: number;
  /** Memory for bytes that come while there is no slab for them. */
  readonly overflowBytes: number;
  /** What a disk is written in; a slab is a number of them. */
  readonly blockBytes: number;
}

/** 1 MiB: twice what uWebSockets.js reads from a socket at once; 64 MiB in all. Blocks are a page, and a disk's at most. */
export const defaultSlabs: SlabPoolOptions = {
  slabBytes: 1024 * 1024,
  slabs: 64,
  overflowBytes: 64 * 1024 * 1024,
  blockBytes: 4096,
};

/** Told when many bytes are held without a slab: whoever is listened to and has none has to wait for one. */
export interface Listener {
  waitForSlab(): void;
}

export class SlabPool {
  readonly memory: SharedArrayBuffer;
  /** For bytes that come while there is no slab for them. */
  readonly overflow: ByteBudget;
  /** Those whose senders are not paused. */
  readonly listeners = new Set<Listener>();
  readonly slabBytes: number;
  readonly blockBytes: number;
  readonly #all: Buffer;
  readonly #free: number[];
  readonly #lent: Set<number> = new Set();
  /**
   * By who waits, since when. A Map keeps the order of arrival, and a waiter who gives up leaves it at once.
   */
  readonly #waiting = new Map<(slab: number) => void, number>();
  /** How often somebody had to wait, those who gave up too. */
  waits = 0;
  /** Of those who wait no more. */
  waitedSeconds = 0;

  constructor({ slabBytes, slabs, overflowBytes, blockBytes }: SlabPoolOptions = defaultSlabs) {
    assert(slabBytes % blockBytes === 0, "slabs begin where blocks do");
    this.overflow = new ByteBudget(overflowBytes, overflowBytes / 2);
    this.memory = alignedMemory(slabBytes * slabs);
    this.#all = Buffer.from(this.memory);
    this.slabBytes = slabBytes;
    this.blockBytes = blockBytes;
    this.#free = Array.from({ length: slabs }, (_, index) => slabs - 1 - index);
  }

  /** Slabs lent at the moment. */
  get lent(): number {
    return this.#lent.size;
  }

  /** Whether who wants a slab now has to wait. */
  get exhausted(): boolean {
    return this.#free.length === 0 || this.#waiting.size > 0;
  }

  /**
   * Whether so much is held without a slab that nobody without one may be listened to. Sockets that are listened to
   * hand over a read each, and most of the overflow has to be left for those that nobody can hold back: requests
   * that come together with the first bytes of their bodies.
   */
  get pressed(): boolean {
    return this.overflow.taken > this.overflow.bytes / 4;
  }

  /** To be called when bytes had to be held without a slab. */
  relieve(): void {
    if (!this.pressed) return;
    for (const listener of this.listeners) listener.waitForSlab();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** A slab, or `undefined` where none is free or others wait for one. */
  take(): number | undefined {
    if (this.#waiting.size > 0) return undefined;
    const slab = this.#free.pop();
    if (slab !== undefined) this.#lent.add(slab);
    return slab;
  }

  /** Calls `use` with a slab as soon as it is this caller's turn. The function returned gives up the place. */
  wait(use: (slab: number) => void): () => void {
    this.#waiting.set(use, performance.now());
    this.waits++;
    return () => this.#leave(use);
  }

  #leave(waiter: (slab: number) => void): void {
    const since = this.#waiting.get(waiter);
    if (since === undefined) return;
    this.waitedSeconds += (performance.now() - since) / 1000;
    this.#waiting.delete(waiter);
  }

  give(slab: number): void {
    assert(this.#lent.has(slab), "a slab is given back once");
    const [next] = this.#waiting.keys();
    if (next === undefined) {
      this.#lent.delete(slab);
      this.#free.push(slab);
    } else {
      this.#leave(next);
      next(slab);
    }
  }

  /**
   * Copies `bytes` into the slab, from `offset` on. By `fill`, which is a plain memory copy: `set` goes byte
   * by byte where shared memory and its source are aligned differently, at an eighth of the speed
   * (docs/decisions/0007).
   */
  copyInto(slab: number, offset: number, bytes: Uint8Array): void {
    assert(bytes.length > 0 && offset + bytes.length <= this.slabBytes, "what is copied fits the slab");
    const start = slab * this.slabBytes + offset;
    this.#all.fill(bytes, start, start + bytes.length);
  }

  bytes(slab: number): Uint8Array {
    return this.#all.subarray(slab * this.slabBytes, (slab + 1) * this.slabBytes);
  }
}
