/**
 * Memory that many share: whoever would take more than is left waits, first come first served. For what
 * has to be in memory as a whole; what can go on in pieces takes slabs.
 */
import { assert } from "./errors.js";

interface Waiter {
  readonly bytes: number;
  readonly enter: () => void;
}

export class ByteBudget {
  #free: number;
  readonly #waiting: Waiter[] = [];

  constructor(readonly bytes: number) {
    this.#free = bytes;
  }

  /** Bytes that are taken at the moment. */
  get taken(): number {
    return this.bytes - this.#free;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Runs `work` with so many bytes, which are free again when it has ended. */
  async within<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    assert(bytes <= this.bytes, "nobody asks for more than there is");
    if (this.#waiting.length > 0 || bytes > this.#free)
      await new Promise<void>((enter) => this.#waiting.push({ bytes, enter }));
    else this.#free -= bytes;
    try {
      return await work();
    } finally {
      this.#free += bytes;
      this.#admit();
    }
  }

  #admit(): void {
    for (
      let [first] = this.#waiting;
      first !== undefined && first.bytes <= this.#free;
      [first] = this.#waiting
    ) {
      this.#waiting.shift();
      this.#free -= first.bytes;
      first.enter();
    }
  }
}
