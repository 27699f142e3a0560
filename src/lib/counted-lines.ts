/** Passes the lines of one log to a writer that other logs may share, and counts the lines that were dropped. */
import type { LineWriter } from "./line-writer.js";

export interface CountedLinesOptions {
  /** Called for the first dropped line after lines were written. */
  readonly onDropping?: () => void;
  /** Called when lines are written again, with the number dropped before. */
  readonly onDropped: (lines: number) => void;
}

const lineFeed = 0x0a;

export class CountedLines {
  /** Lines dropped so far. */
  dropped = 0;
  #unreported = 0;
  readonly #unwatch: () => void;

  constructor(
    readonly writer: LineWriter,
    readonly options: CountedLinesOptions,
  ) {
    this.#unwatch = writer.watch({ onDrained: () => this.#tell() });
  }

  /** Writes whole lines, each with its line feed. Never blocks, never throws. */
  write(lines: string | Uint8Array): void {
    if (!this.writer.write(lines)) this.drop(linesIn(lines));
  }

  /** Counts lines as dropped that the caller did not write. */
  drop(count: number): void {
    this.dropped += count;
    this.#unreported += count;
    if (this.#unreported === count) this.options.onDropping?.();
  }

  /** Stops the callbacks. Queued lines are still written. */
  close(): void {
    this.#unwatch();
  }

  #tell(): void {
    const lines = this.#unreported;
    this.#unreported = 0;
    if (lines > 0) this.options.onDropped(lines);
  }
}

function linesIn(lines: string | Uint8Array): number {
  if (typeof lines === "string") return 1;
  let count = 0;
  for (const byte of lines) if (byte === lineFeed) count++;
  return count;
}
