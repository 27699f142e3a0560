/**
 * Writes lines to a destination that may be slow, stuck or failing, and never makes the caller wait: lines wait in a
 * bounded queue, one write is under way at a time, and what finds no room is refused. A write that fails is tried
 * again with the same bytes, so a disk that was full for a while loses nothing that had room in the queue.
 */

/** Where lines go. */
export interface LineTarget {
  /** Writes in the background. Calls `done` once, with the bytes that were written before `error`. */
  write(bytes: Uint8Array, done: (error: unknown, written: number) => void): void;
  /** Writes what it can before it returns, for lines that are left when the process exits. Never throws. */
  writeAtExit(bytes: Uint8Array): void;
}

export interface LineWriterEvents {
  /** The first of a series of writes has failed. */
  readonly onBroken?: (error: unknown) => void;
  /** A write has succeeded after failed ones. */
  readonly onMended?: () => void;
  /** There is room again after lines were refused. */
  readonly onDrained?: () => void;
}

/** What a waiting line takes in memory beside its bytes. */
const bytesPerPiece = 64;

/** Copied and handed over at a time: less than a millisecond of memcpy, and enough that the cost of a write vanishes. */
const writeBytesMax = 256 * 1024;

const retryMilliseconds = 1_000;

/** Bytes on their way, what they count for in the queue, and whether the target has them just now. */
interface Writing {
  readonly bytes: Uint8Array;
  readonly cost: number;
  started: boolean;
}

export class LineWriter {
  readonly #waiting: (string | Uint8Array)[] = [];
  readonly #events = new Set<LineWriterEvents>();
  readonly #onSettled = new Set<() => void>();
  /** Of the waiting pieces and of the write that is under way. */
  #bytes = 0;
  #writing: Writing | undefined;
  #failing = false;
  #hasRefused = false;

  constructor(
    readonly target: LineTarget,
    readonly bytesMax: number,
  ) {}

  /** Takes whole lines, each with its line feed. False if there is no room for them; then they are not written. */
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

  /** Whether lines are written at present, with half of the queue left for those of the work that is under way. */
  get isReady(): boolean {
    return !this.#failing && this.#bytes <= this.bytesMax / 2;
  }

  /** Returns a function that ends the watching. */
  watch(events: LineWriterEvents): () => void {
    this.#events.add(events);
    return () => void this.#events.delete(events);
  }

  /** Resolves when all lines are written, or after `millisecondsMax`; with whether they are. */
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

  /** Tries to write what still waits before the process exits. */
  writeAtExit(): void {
    const left = this.#take(Number.POSITIVE_INFINITY);
    // The kernel may be about to write it; a failed one waits to be tried again.
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
