/** The bounded memory for parts of multipart uploads, in buffers of one part each. */
import { assert } from "../../src/lib/assert.js";

export class PartBuffers {
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #made = 0;

  /** At least two: one is never used for a part that grows, so that a part in a scratch file can always be sent. */
  constructor(
    readonly count: number,
    readonly partBytes: number,
  ) {
    assert(count >= 2, "a part that grows leaves a buffer for others");
  }

  /** Returns a buffer for a part that grows, if there is one to spare. */
  spare(): Buffer | undefined {
    const left = this.#free.length + this.count - this.#made;
    return left > 1 && this.#waiting.length === 0 ? this.#take() : undefined;
  }

  /** Resolves with a buffer for a part that is about to be sent. */
  async next(): Promise<Buffer> {
    return this.#take() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  #take(): Buffer | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#made === this.count) return free;
    this.#made++;
    return Buffer.allocUnsafeSlow(this.partBytes);
  }

  give(buffer: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#free.push(buffer);
    else waiting(buffer);
  }
}
