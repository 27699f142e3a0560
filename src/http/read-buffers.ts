/**
 * The bounded memory of all downloads together. A download parks its buffer while its client is slow to
 * take what is in it; who needs a buffer and finds none free takes the one parked for longest, whose
 * owner reads its bytes again from the page cache. So slow readers, however many, hold nothing back.
 */

/** Large enough that a read costs little beside its bytes, small enough for many at a time. */
export const readBufferBytes = 512 * 1024;

/** 32 MiB in all. */
const readBuffersMax = 64;

export class ReadBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(readBufferBytes);
}

export class ReadBuffers {
  readonly #free: ReadBuffer[] = [];
  readonly #parked = new Map<ReadBuffer, () => void>();
  readonly #waiting: ((buffer: ReadBuffer) => void)[] = [];
  #made = 0;

  constructor(readonly max: number = readBuffersMax) {}

  take(): ReadBuffer | Promise<ReadBuffer> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < this.max) {
      this.#made++;
      return new ReadBuffer();
    }
    const [longest] = this.#parked;
    if (longest === undefined) return new Promise((resolve) => this.#waiting.push(resolve));
    const [buffer, onTaken] = longest;
    this.#parked.delete(buffer);
    onTaken();
    return buffer;
  }

  give(buffer: ReadBuffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }

  /** Lends the buffer back until `unpark`; `onTaken` tells that somebody else has it now. */
  park(buffer: ReadBuffer, onTaken: () => void): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#parked.set(buffer, onTaken);
    } else {
      onTaken();
      next(buffer);
    }
  }

  /** Whether the buffer is still the caller's. */
  unpark(buffer: ReadBuffer): boolean {
    return this.#parked.delete(buffer);
  }

  /** Buffers that nobody uses or parks, of those made. */
  get idle(): number {
    return this.#free.length + this.max - this.#made;
  }
}
