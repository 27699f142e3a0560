/**
 * Batches lines on their way to a destination, hundreds at a time. Encodes them into one buffer, some tens at once: each line by
 * itself would take twice as long, and all of a batch, kept as strings, would be the largest share of garbage collection on a
 * busy server.
 */

/** About five hundred lines: handing a write to a thread costs as much as ten lines. */
const batchBytes = 128 * 1024;

/** About thirty-five lines. */
const textCharactersMax = 8 * 1024;

/** Maximum time that a line waits for others. */
const flushMilliseconds = 200;

/** Maximum UTF-8 bytes of a UTF-16 code unit. */
const bytesPerCharacterMax = 3;

export class LineBatch {
  #bytes = newBatch();
  #length = 0;
  /** Lines that are not in the buffer yet. */
  #text = "";
  #timer: NodeJS.Timeout | undefined;

  /** `take` owns the bytes that it receives. */
  constructor(readonly take: (lines: Uint8Array) => void) {}

  write(line: string): void {
    this.#text += line;
    if (this.#text.length >= textCharactersMax) this.#encode();
    this.#timer ??= setTimeout(() => this.flush(), flushMilliseconds).unref();
  }

  #encode(): void {
    if (this.#length + this.#text.length * bytesPerCharacterMax > batchBytes) this.#pass();
    this.#length += this.#bytes.write(this.#text, this.#length);
    this.#text = "";
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#encode();
    this.#pass();
  }

  #pass(): void {
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
