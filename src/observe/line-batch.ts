/**
 * Batches lines on their way to a destination, hundreds at a time. Copies each into one buffer at once: kept as strings,
 * lines would be the largest share of garbage collection on a busy server.
 */

/** About five hundred lines: handing a write to a thread costs as much as ten lines. */
const batchBytes = 128 * 1024;

/** Maximum time that a line waits for others. */
const flushMilliseconds = 200;

/** Maximum UTF-8 bytes of a UTF-16 code unit. */
const bytesPerCharacterMax = 3;

export class LineBatch {
  #bytes = newBatch();
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `take` owns the bytes that it receives. */
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
