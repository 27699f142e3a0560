/**
 * Lines on their way to a destination, some hundred at a time. They are copied into one buffer as they come: kept
 * as strings, their pieces would be what the garbage collector has most to do with on a busy server.
 */

/** Some hundred lines, for which a system call is cheap. */
const batchBytes = 32 * 1024;

/** A line waits no longer than this for others. */
const flushMilliseconds = 200;

/** A character takes at most so many bytes in UTF-8. */
const bytesPerCharacterMax = 3;

export class LineBatch {
  readonly #bytes = Buffer.allocUnsafe(batchBytes);
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(readonly take: (lines: string) => void) {}

  write(line: string): void {
    if (this.#length + line.length * bytesPerCharacterMax > batchBytes) this.flush();
    this.#length += this.#bytes.write(line, this.#length);
    this.#timer ??= setTimeout(() => this.flush(), flushMilliseconds).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#length === 0) return;
    const lines = this.#bytes.toString("utf8", 0, this.#length);
    this.#length = 0;
    this.take(lines);
  }
}
