/** Reads the records of a segment one after the other, with a part of it in memory. */
import { type FileHandle, open } from "node:fs/promises";
import { readFlags } from "../checked-files.js";
import { contentOf, headerBytes, type JournalOperation, lengthAt, numbersAt } from "./record.js";

/** A segment, of which only the places of its records are in memory: there may be 350,000, and many segments. */
export interface StoredSegment {
  /** The segment's path. */
  readonly file: string;
  /** The number of the worker that wrote it. */
  readonly slot: number;
  /** Where its records of `mark` or later generations are, in the order of their numbers. */
  readonly positions: Uint32Array;
}

/** A record, until the next one is asked for. */
export interface StoredRecord {
  readonly sequence: number;
  readonly generation: number;
  readonly operations: readonly JournalOperation[];
  readonly bytes: Buffer;
}

/** Most records have some hundred bytes; a blob may have 512 KiB. */
const windowBytes = 256 * 1024;

export class SegmentReader {
  /** Of the record at which it is; infinite at the end. */
  sequence = Number.POSITIVE_INFINITY;
  #index = -1;
  readonly #memory = Buffer.allocUnsafeSlow(windowBytes);
  /** A part of the segment, which begins at `#start`. */
  #window: Buffer = Buffer.alloc(0);
  #start = 0;

  private constructor(
    readonly segment: StoredSegment,
    readonly handle: FileHandle,
  ) {}

  static async open(segment: StoredSegment): Promise<SegmentReader> {
    const reader = new SegmentReader(segment, await open(segment.file, readFlags));
    try {
      await reader.advance();
      return reader;
    } catch (error) {
      await reader.handle.close();
      throw error;
    }
  }

  async advance(): Promise<void> {
    const position = this.segment.positions[++this.#index];
    if (position === undefined) {
      this.sequence = Number.POSITIVE_INFINITY;
      return;
    }
    if (!this.#has(position, headerBytes)) await this.#load(position, windowBytes);
    const length = lengthAt(this.#window, position - this.#start);
    if (!this.#has(position, length)) await this.#load(position, Math.max(length, windowBytes));
    this.sequence = numbersAt(this.#window, position - this.#start).sequence;
  }

  #has(position: number, length: number): boolean {
    return position >= this.#start && position + length <= this.#start + this.#window.length;
  }

  async #load(position: number, length: number): Promise<void> {
    this.#window = length <= windowBytes ? this.#memory : Buffer.allocUnsafeSlow(length);
    this.#start = position;
    await readAt(this.handle, this.#window, position);
  }

  /** Returns the record at which it is, until it advances. */
  record(): StoredRecord {
    const at = (this.segment.positions[this.#index] ?? 0) - this.#start;
    const bytes = this.#window.subarray(at, at + lengthAt(this.#window, at));
    return { ...numbersAt(bytes, 0), ...contentOf(bytes) };
  }
}

/** Fills the bytes, with zeros where the file has ended. */
export async function readAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let end = 0; end < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, end, bytes.length - end, position + end);
    if (bytesRead === 0) bytes.fill(0, end);
    end = bytesRead === 0 ? bytes.length : end + bytesRead;
  }
}
