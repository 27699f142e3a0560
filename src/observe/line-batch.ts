/**
 * Lines on their way to a destination, some hundred at a time. They are copied into one buffer as they come: kept
 * as strings, their pieces would be what the garbage collector has most to do with on a busy server.
 */

/** Some five hundred lines: to hand a write to a thread of its own takes as long as ten of them. */
const batchBytes = 128 * 1024;

/** A line waits no longer than this for others. */
const flushMilliseconds = 200;

/** A character takes at most so many bytes in UTF-8. */
const bytesPerCharacterMax = 3;

export class LineBatch {
  #bytes = newBatch();
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Whoever takes bytes keeps them. */
  constructor(readonly take: (lines: Uint8Array) => void) {}

  write(line: string): void {
    if (this.#length + line.length * bytesPerCharacterMax > batchBytes) this.flush();
    this.#length += this.#bytes.write(line, this.#length);
    this.#timer ??= setTimeout(() => this.flush(), flushMilliseconds).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#length === 0) return;
    const lines = this.#bytes.subarray(0, this.#length);
    this.#bytes = newBatch();
    this.#length = 0;
    this.take(lines);
  }
}

function newBatch(): Buffer {
  return Buffer.allocUnsafeSlow(batchBytes);
}
