/**
 * Bytes that arrive in pieces, kept in one buffer that grows with them. What it costs depends on the bytes alone: a
 * million pieces of one byte cost no more than one piece of a million bytes.
 */

/** Memory that is paid for before it is allocated, by its real size. */
export interface MemoryAccount {
  /** Whether there is so much left, which is then taken. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** For streams that the registry itself starts, and stops when it has to. */
export const unlimitedMemory: MemoryAccount = { take: () => true, give: () => {} };

/** Smaller buffers save nothing: the object itself takes some 200 bytes. */
const capacityMin = 512;

const nothing = Buffer.alloc(0);

export class GrowingBuffer {
  #memory: Buffer = nothing;
  #start = 0;
  #end = 0;

  /** `bytesExpected`: it grows to more than that only where more comes. */
  constructor(
    readonly account: MemoryAccount,
    readonly bytesExpected: number = Number.POSITIVE_INFINITY,
  ) {}

  /** Bytes in it. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Adds a copy of `chunk`. Returns false, and adds nothing, if the account has not enough memory left. */
  append(chunk: Uint8Array): boolean {
    if (this.#end + chunk.length > this.#memory.length && !this.#makeRoom(chunk.length)) return false;
    this.#memory.set(chunk, this.#end);
    this.#end += chunk.length;
    return true;
  }

  #makeRoom(bytes: number): boolean {
    const { length } = this;
    const capacity = this.#memory.length;
    const wanted = length + bytes;
    // Moving less than half of the buffer at a time keeps the cost of each byte constant.
    if (wanted <= capacity && length <= capacity / 2) {
      this.#memory.copyWithin(0, this.#start, this.#end);
    } else {
      const doubled = Math.max(wanted, 2 * capacity, capacityMin);
      const next = Math.min(doubled, Math.max(wanted, this.bytesExpected));
      if (!this.account.take(next)) return false;
      // Not from Node's pool: a small slice would keep 8 KiB of it.
      const memory = Buffer.allocUnsafeSlow(next);
      this.#memory.copy(memory, 0, this.#start, this.#end);
      this.account.give(capacity);
      this.#memory = memory;
    }
    this.#start = 0;
    this.#end = length;
    return true;
  }

  /** The bytes themselves, valid until the next call of another method. */
  get bytes(): Buffer {
    return this.#memory.subarray(this.#start, this.#end);
  }

  /** The bytes in a buffer that takes no more memory than they do, for whoever keeps them. */
  whole(): Buffer {
    const { length } = this;
    if (length < this.#memory.length) {
      const whole = Buffer.allocUnsafeSlow(length);
      this.#memory.copy(whole, 0, this.#start, this.#end);
      this.account.give(this.#memory.length - length);
      this.#memory = whole;
      this.#start = 0;
      this.#end = length;
    }
    return this.#memory;
  }

  /** Removes the first `count` bytes. */
  drop(count: number): void {
    this.#start += count;
  }

  /** Removes everything and gives the memory back. */
  clear(): void {
    this.account.give(this.#memory.length);
    this.#memory = nothing;
    this.#start = 0;
    this.#end = 0;
  }
}
