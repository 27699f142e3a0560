/** One log's lines on their way to a writer, which other logs may share: counts those that found no room. */
import type { LineWriter } from "./line-writer.js";

export interface CountedLinesOptions {
  /** The first line was dropped since lines were last written. */
  readonly onDropping?: () => void;
  /** There is room again, and so many lines were dropped before. */
  readonly onDropped: (lines: number) => void;
}

const lineFeed = 0x0a;

export class CountedLines {
  /** Lines that were dropped so far. */
  dropped = 0;
  #untold = 0;
  readonly #unwatch: () => void;

  constructor(
    readonly writer: LineWriter,
    readonly options: CountedLinesOptions,
  ) {
    this.#unwatch = writer.watch({ onDrained: () => this.#tell() });
  }

  /** Takes whole lines, each with its line feed. Never waits and never throws. */
  write(lines: string | Uint8Array): void {
    if (!this.writer.write(lines)) this.drop(linesIn(lines));
  }

  /** Counts lines that were not even tried, to leave the room for others. */
  drop(count: number): void {
    this.dropped += count;
    this.#untold += count;
    if (this.#untold === count) this.options.onDropping?.();
  }

  /** Stops telling. Lines that wait are still written. */
  close(): void {
    this.#unwatch();
  }

  #tell(): void {
    const lines = this.#untold;
    this.#untold = 0;
    if (lines > 0) this.options.onDropped(lines);
  }
}

function linesIn(lines: string | Uint8Array): number {
  if (typeof lines === "string") return 1;
  let count = 0;
  for (const byte of lines) if (byte === lineFeed) count++;
  return count;
}
