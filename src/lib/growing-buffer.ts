/**
 * Collects bytes that arrive in pieces in one growing buffer. The cost depends only on the number of bytes: a million
 * pieces of one byte cost no more than one piece of a million bytes.
 */

/** An account that is charged for memory before it is allocated, by its real size. */
export interface MemoryAccount {
  /** Charges `bytes` and returns true, or returns false if there is too little left. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** For streams that the registry itself starts, and stops when it has to. */
export const unlimitedMemory: MemoryAccount = { take: () => true, give: () => {} };

/** Smaller buffers save nothing: the object itself takes about 200 bytes. */
const capacityMin = 512;

/**
 * A client that has sent a quarter of its announced length gets memory for all of it. With plain doubling, bodies of 4 MiB
 * leave more garbage outside V8's heap and cause more full collections (docs/decisions/0035).
 */
const expectedPerBytePaid = 4;

const nothing = Buffer.alloc(0);

export class GrowingBuffer {
  #memory: Buffer = nothing;
  /** Bytes taken from the account. A buffer that was transferred to another thread has the length 0. */
  #paid = 0;
  #length = 0;

  /** The buffer grows beyond `bytesExpected` only if more bytes arrive. */
  constructor(
    readonly account: MemoryAccount,
    readonly bytesExpected: number = Number.POSITIVE_INFINITY,
  ) {}

  /** Number of bytes held. */
  get length(): number {
    return this.#length;
  }

  /** Adds a copy of `chunk`. Returns false, and adds nothing, if the account has not enough memory left. */
  append(chunk: Uint8Array): boolean {
    const wanted = this.#length + chunk.length;
    if (wanted > this.#memory.length && !this.#resize(this.#capacityFor(wanted))) return false;
    this.#memory.set(chunk, this.#length);
    this.#length = wanted;
    return true;
  }

  #capacityFor(wanted: number): number {
    if (wanted >= this.bytesExpected / expectedPerBytePaid && wanted <= this.bytesExpected)
      return this.bytesExpected;
    return Math.max(wanted, 2 * this.#memory.length, capacityMin);
  }

  #resize(capacity: number): boolean {
    if (!this.account.take(capacity)) return false;
    // Not from Node's pool: a small slice would keep 8 KiB of it.
    const memory = Buffer.allocUnsafeSlow(capacity);
    this.#memory.copy(memory, 0, 0, this.#length);
    this.account.give(this.#paid);
    this.#memory = memory;
    this.#paid = capacity;
    return true;
  }

  /**
   * Returns the bytes in a buffer of exactly their size, which the caller may keep or transfer to another thread. Only
   * `clear` may follow.
   */
  whole(): Buffer {
    const { length } = this;
    if (length < this.#memory.length) {
      const whole = Buffer.allocUnsafeSlow(length);
      this.#memory.copy(whole, 0, 0, length);
      this.account.give(this.#paid - length);
      this.#memory = whole;
      this.#paid = length;
    }
    return this.#memory;
  }

  /** Removes all bytes and releases the memory. */
  clear(): void {
    this.account.give(this.#paid);
    this.#memory = nothing;
    this.#paid = 0;
    this.#length = 0;
  }
}
