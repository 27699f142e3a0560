/**
 * Writes lines to a destination that may be slow, stuck or failing, without ever blocking the caller. Lines wait in a bounded
 * queue, one write runs at a time, and lines that do not fit are refused. A failed write is repeated with the same bytes, so
 * a disk that was full for a while loses no line that was queued.
 */

/** A destination for lines. */
export interface LineTarget {
  /** Writes in the background. Calls `done` once, with the number of bytes written before `error`. */
  write(bytes: Uint8Array, done: (error: unknown, written: number) => void): void;
  /** Writes synchronously, for lines that are left when the process exits. Never throws. */
  writeAtExit(bytes: Uint8Array): void;
}

export interface LineWriterEvents {
  /** Called for the first of a series of failed writes. */
  readonly onBroken?: (error: unknown) => void;
  /** Called when a write succeeds after failed ones. */
  readonly onMended?: () => void;
  /** Called when there is room again after lines were refused. */
  readonly onDrained?: () => void;
}

/** Memory that a queued line takes in addition to its bytes. */
const bytesPerPiece = 64;

/** Bytes per write: less than a millisecond to copy, and enough to make the cost of the call negligible. */
const writeBytesMax = 256 * 1024;

const retryMilliseconds = 1_000;

/** Bytes being written, what they count for in the queue, and whether the target has them now. */
interface Writing {
  readonly bytes: Uint8Array;
  readonly cost: number;
  started: boolean;
}

export class LineWriter {
  readonly #waiting: (string | Uint8Array)[] = [];
  readonly #events = new Set<LineWriterEvents>();
  readonly #onSettled = new Set<() => void>();
  /** Cost of the queued lines and of the running write. */
  #bytes = 0;
  #writing: Writing | undefined;
  #failing = false;
  #hasRefused = false;

  constructor(
    readonly target: LineTarget,
    readonly bytesMax: number,
  ) {}

  /** Queues whole lines, each with its line feed. Returns false, and queues nothing, if there is no room. */
  write(lines: string | Uint8Array): boolean {
    const cost = Buffer.byteLength(lines) + bytesPerPiece;
    if (this.#bytes + cost > this.bytesMax) {
      this.#hasRefused = true;
      return false;
    }
    this.#bytes += cost;
    this.#waiting.push(lines);
    this.#writeNext();
    return true;
  }

  /** Whether writes succeed and at least half of the queue is free, for the lines of requests that are already running. */
  get isReady(): boolean {
    return !this.#failing && this.#bytes <= this.bytesMax / 2;
  }

  /** Adds a watcher. Returns a function that removes it. */
  watch(events: LineWriterEvents): () => void {
    this.#events.add(events);
    return () => void this.#events.delete(events);
  }

  /** Resolves with true when all lines are written, or with false after `millisecondsMax`. */
  settled(millisecondsMax: number): Promise<boolean> {
    if (this.#bytes === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (isSettled: boolean) => {
        clearTimeout(timer);
        this.#onSettled.delete(settle);
        resolve(isSettled);
      };
      const settle = () => end(true);
      const timer = setTimeout(() => end(false), millisecondsMax);
      this.#onSettled.add(settle);
    });
  }

  /** Tries to write the queued lines before the process exits. */
  writeAtExit(): void {
    const left = this.#take(Number.POSITIVE_INFINITY);
    // A running write may still succeed; a failed one is queued again.
    if (this.#writing?.started === false) this.target.writeAtExit(this.#writing.bytes);
    if (left.bytes.length > 0) this.target.writeAtExit(left.bytes);
  }

  #take(bytesMax: number): { readonly bytes: Uint8Array; readonly cost: number } {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (const piece of this.#waiting) {
      if (length >= bytesMax) break;
      const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
      pieces.push(bytes);
      length += bytes.length;
    }
    this.#waiting.splice(0, pieces.length);
    const [only] = pieces;
    const bytes = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, length);
    return { bytes, cost: length + pieces.length * bytesPerPiece };
  }

  #writeNext(): void {
    if (this.#writing !== undefined || this.#waiting.length === 0) return;
    this.#writing = { ...this.#take(writeBytesMax), started: true };
    this.#start(this.#writing);
  }

  #start(writing: Writing): void {
    writing.started = true;
    this.target.write(writing.bytes, (error, written) => {
      if (error === undefined || error === null) this.#done(writing.cost);
      else this.#failed(error, { ...writing, bytes: writing.bytes.subarray(written), started: false });
    });
  }

  #done(cost: number): void {
    this.#writing = undefined;
    this.#bytes -= cost;
    if (this.#failing) {
      this.#failing = false;
      for (const { onMended } of this.#events) onMended?.();
    }
    if (this.#hasRefused && this.#bytes <= this.bytesMax / 2) {
      this.#hasRefused = false;
      for (const { onDrained } of this.#events) onDrained?.();
    }
    this.#writeNext();
    if (this.#bytes === 0) for (const settle of this.#onSettled) settle();
  }

  #failed(error: unknown, rest: Writing): void {
    this.#writing = rest;
    setTimeout(() => this.#start(rest), retryMilliseconds).unref();
    if (this.#failing) return;
    this.#failing = true;
    for (const { onBroken } of this.#events) onBroken?.(error);
  }
}
