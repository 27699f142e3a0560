/**
 * The bounded memory of all uploads: one shared buffer, divided into slabs that are lent first come first served. Bodies
 * never use more than this, however many uploads there are.
 */

import { alignedMemory } from "./aligned-memory.js";
import { assert } from "./assert.js";
import { ByteBudget } from "./byte-budget.js";

/**
 * A part of a slab. It begins at the same offset within a block as in its upload, so that each block of the upload is a
 * block in memory and can be written to the disk without a copy.
 */
export interface SlabPart {
  readonly slab: number;
  readonly start: number;
  readonly length: number;
  /** Set when the slab was given back before the worker's answer: the worker has written the bytes, which are gone. */
  isGivenBack?: boolean;
}

export interface SlabPoolOptions {
  readonly slabBytes: number;
  readonly slabs: number;
  /** Memory for bytes that arrive while no slab is free. */
  readonly overflowBytes: number;
  /** The unit of disk writes; a slab consists of whole blocks. */
  readonly blockBytes: number;
}

/** A slab has 1 MiB, twice what uWebSockets.js reads from a socket at once; 64 MiB in total. A block is a page. */
export const defaultSlabs: SlabPoolOptions = {
  slabBytes: 1024 * 1024,
  slabs: 64,
  overflowBytes: 64 * 1024 * 1024,
  blockBytes: 4096,
};

/** Called when too many bytes are held without a slab: a body without one must pause its sender and wait for a slab. */
export interface Listener {
  waitForSlab(): void;
}

export class SlabPool {
  readonly memory: SharedArrayBuffer;
  /** A 32-bit flag for each slab: a worker sets it to 1 as soon as it has written the bytes, before its answer arrives. */
  readonly flags: SharedArrayBuffer;
  /** For bytes that arrive while no slab is free. */
  readonly overflow: ByteBudget;
  /** Bodies whose senders are not paused. */
  readonly listeners = new Set<Listener>();
  readonly slabBytes: number;
  readonly blockBytes: number;
  readonly #all: Buffer;
  readonly #isDone: Int32Array;
  readonly #free: number[];
  readonly #lent: Set<number> = new Set();
  /** Waiters, with the time since when they wait. A Map keeps the order of arrival and can remove one that gives up. */
  readonly #waiting = new Map<(slab: number) => void, number>();
  /** Number of waits, including those given up. */
  waits = 0;
  /** Sum of the waits that have ended. */
  waitedSeconds = 0;

  constructor({ slabBytes, slabs, overflowBytes, blockBytes }: SlabPoolOptions = defaultSlabs) {
    assert(slabBytes % blockBytes === 0, "slabs begin where blocks do");
    this.overflow = new ByteBudget(overflowBytes, overflowBytes / 2);
    this.memory = alignedMemory(slabBytes * slabs);
    this.flags = new SharedArrayBuffer(slabs * Int32Array.BYTES_PER_ELEMENT);
    this.#all = Buffer.from(this.memory);
    this.#isDone = new Int32Array(this.flags);
    this.slabBytes = slabBytes;
    this.blockBytes = blockBytes;
    this.#free = Array.from({ length: slabs }, (_, index) => slabs - 1 - index);
  }

  /** Number of slabs lent. */
  get lent(): number {
    return this.#lent.size;
  }

  /** Whether a body that needs a slab now has to wait. */
  get exhausted(): boolean {
    return this.#free.length === 0 || this.#waiting.size > 0;
  }

  /** Whether most slabs are free, so that one body may use more than its share. */
  get isPlentiful(): boolean {
    return this.#free.length > this.#lent.size;
  }

  /**
   * Whether so much is held without a slab that every sender without one must be paused. Each socket that is read may
   * deliver another read, and most of the overflow must stay free for bytes that cannot be held back: those that arrive
   * together with their request's head.
   */
  get pressed(): boolean {
    return this.overflow.taken > this.overflow.bytes / 4;
  }

  /** Call this when bytes had to be held without a slab. */
  relieve(): void {
    if (!this.pressed) return;
    for (const listener of this.listeners) listener.waitForSlab();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a slab. Returns undefined if none is free or others are waiting. */
  take(): number | undefined {
    if (this.#waiting.size > 0) return undefined;
    const slab = this.#free.pop();
    if (slab !== undefined) {
      this.#lent.add(slab);
      Atomics.store(this.#isDone, slab, 0);
    }
    return slab;
  }

  /** Calls `use` with a slab when it is this caller's turn. Returns a function that gives up the place in the queue. */
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

  /** Whether the worker that got the slab needs its bytes no more. */
  isDone(slab: number): boolean {
    return Atomics.load(this.#isDone, slab) === 1;
  }

  give(slab: number): void {
    assert(this.#lent.has(slab), "a slab is given back once");
    const [next] = this.#waiting.keys();
    if (next === undefined) {
      this.#lent.delete(slab);
      this.#free.push(slab);
    } else {
      this.#leave(next);
      Atomics.store(this.#isDone, slab, 0);
      next(slab);
    }
  }

  /**
   * Copies `bytes` into the slab at `offset`. Uses `fill`, which is a plain memory copy: `set` copies byte by byte if shared
   * memory and source are aligned differently, at an eighth of the speed (docs/decisions/0007).
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
