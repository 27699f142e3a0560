/**
 * Several ranges of a blob in one response: `multipart/byteranges` (RFC 9110, section 14.6). Lazy pullers request thousands
 * of small ranges at once, so the response is never built as a whole. Each piece is assembled when the socket can take it;
 * between two pieces only two numbers for each range are kept.
 */
import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Piece } from "../cache/blob-chunks.js";
import { type ByteRange, selectRanges } from "../domain/range.js";
import { assert } from "../lib/assert.js";
import { ByteBudget } from "../lib/byte-budget.js";
import { Slices } from "../lib/slices.js";
import { Turns } from "../lib/turns.js";
import { type ByteSource, cutPiece } from "./source.js";

/** Size of an assembled piece in bytes: about 500 of the smallest parts, in less than 1 ms. */
const pieceBytesMax = 64 * 1024;
/** A part of at least this size is not copied: it goes to the socket as read. */
const wholeBodyBytesMin = 32 * 1024;
/** Pieces assembled in one turn of the event loop, in 4 ms; each takes twice `pieceBytesMax`. */
const assembliesMax = 8;
/** Shorter headers are parsed at once. Longer ones take up to 3 ms, so each waits for a turn of the event loop of its own. */
const shortHeaderCharactersMax = 1024;
/** Memory for waiting headers and for the positions of ranges, 16 bytes each: 256 responses of 4,096 ranges each. */
const positionBytesMax = 16 * 1024 * 1024;
/** The length of a part's header depends on its range, so the start of a part is a sum. One start in this many parts is stored. */
const partsPerMark = 64;

type Selected = ReturnType<typeof selectRanges>;

/** The request that waits. */
interface Waiting {
  readonly client: string;
  readonly signal: () => AbortSignal;
}

/** The memory of all multipart responses, shared by all clients. */
export class MultipartMemory {
  readonly positions = new ByteBudget(positionBytesMax, positionBytesMax / 2);
  readonly assemblies = new Turns(assembliesMax);
  readonly #slices = new Slices();
  readonly #free: Buffer[] = [];

  /**
   * Returns what a `Range` header selects of `size` bytes; synchronously for a short header. Ignores a long one if too many
   * are waiting (RFC 9110, section 14.2). Rejects with `ClientGone`.
   */
  select(header: string, size: number, { client, signal }: Waiting): Selected | Promise<Selected> {
    if (header.length <= shortHeaderCharactersMax) return selectRanges(header, size);
    const account = this.positions.account(client);
    if (!account.take(header.length)) return "all";
    return this.#slices
      .next(client, signal())
      .then(() => selectRanges(header, size))
      .finally(() => account.give(header.length));
  }

  /** Returns a buffer for one assembly, of twice `pieceBytesMax`. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(2 * pieceBytesMax);
  }

  give(buffer: Buffer): void {
    this.#free.push(buffer);
  }
}

export interface Multipart {
  readonly source: ByteSource;
  readonly contentType: string;
  /** Call it once, when the response is over. */
  end(): void;
}

/**
 * Returns the response with `ranges` of `whole` for `client`, or `undefined` if its positions do not fit into memory: a
 * server may ignore the `Range` header (RFC 9110, section 14.2).
 */
export function multipartOf(
  whole: ByteSource,
  ranges: readonly ByteRange[],
  memory: MultipartMemory,
  client: string,
): Multipart | undefined {
  const bytes = ranges.length * 2 * Float64Array.BYTES_PER_ELEMENT;
  const account = memory.positions.account(client);
  if (!account.take(bytes)) return undefined;
  const boundary = randomBytes(12).toString("hex");
  return {
    source: new MultipartSource(whole, ranges, boundary, memory),
    contentType: `multipart/byteranges; boundary=${boundary}`,
    end: () => account.give(bytes),
  };
}

/** A position in the response. */
interface Place {
  readonly part: number;
  /** Offset from the start of the part's header. */
  readonly offset: number;
}

class MultipartSource implements ByteSource {
  readonly size: number;
  /** First and last position of each range. */
  readonly #positions: Float64Array;
  /** Offsets in the response of the parts 0, `partsPerMark`, 2 × `partsPerMark` … */
  readonly #marks: Float64Array;
  readonly #parts: number;
  /** Text of each part's header before and after the positions. */
  readonly #before: string;
  readonly #behind: string;
  readonly #trailer: string;

  constructor(
    readonly whole: ByteSource,
    ranges: readonly ByteRange[],
    boundary: string,
    readonly memory: MultipartMemory,
  ) {
    this.#before = `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes `;
    this.#behind = `/${whole.size}\r\n\r\n`;
    this.#trailer = `\r\n--${boundary}--\r\n`;
    this.#parts = ranges.length;
    this.#positions = new Float64Array(2 * ranges.length);
    this.#marks = new Float64Array(Math.ceil(ranges.length / partsPerMark));
    let start = 0;
    for (const [part, { first, last }] of ranges.entries()) {
      this.#positions[2 * part] = first;
      this.#positions[2 * part + 1] = last;
      if (part % partsPerMark === 0) this.#marks[part / partsPerMark] = start;
      start += this.#headerLength(part) + last - first + 1;
    }
    this.size = start + this.#trailer.length;
  }

  at(position: number): Piece | Promise<Piece> {
    const { part, offset } = this.#placeOf(position);
    if (part < this.#parts) {
      const from = this.#first(part) + offset - this.#headerLength(part);
      const left = this.#last(part) + 1 - from;
      if (from >= this.#first(part) && left >= wholeBodyBytesMin) {
        const piece = this.whole.at(from);
        return piece instanceof Promise ? piece.then((come) => cutPiece(come, left)) : cutPiece(piece, left);
      }
    }
    return this.#assemble({ part, offset });
  }

  readAhead(position: number): void {
    if (position >= this.size) return;
    const { part, offset } = this.#placeOf(position);
    if (part >= this.#parts) return;
    const from = this.#first(part) + Math.max(0, offset - this.#headerLength(part));
    if (this.#last(part) + 1 - from >= wholeBodyBytesMin) this.whole.readAhead(from);
  }

  #first(part: number): number {
    return this.#positions[2 * part] ?? 0;
  }

  #last(part: number): number {
    return this.#positions[2 * part + 1] ?? 0;
  }

  /** The first part has no line break before it. */
  #header(part: number): string {
    const header = `${this.#before}${this.#first(part)}-${this.#last(part)}${this.#behind}`;
    return part === 0 ? header.slice(2) : header;
  }

  #headerLength(part: number): number {
    const fixed = this.#before.length + 1 + this.#behind.length - (part === 0 ? 2 : 0);
    return fixed + digitsOf(this.#first(part)) + digitsOf(this.#last(part));
  }

  /** Returns a place after all parts for a position in the trailer. */
  #placeOf(position: number): Place {
    let low = 0;
    let high = this.#marks.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#marks[middle] ?? 0) <= position) low = middle;
      else high = middle;
    }
    let offset = position - (this.#marks[low] ?? 0);
    for (let part = low * partsPerMark; part < this.#parts; part++) {
      const length = this.#headerLength(part) + this.#last(part) - this.#first(part) + 1;
      if (offset < length) return { part, offset };
      offset -= length;
    }
    return { part: this.#parts, offset };
  }

  async #assemble(place: Place): Promise<Piece> {
    const { assemblies } = this.memory;
    await assemblies.begin();
    // A response that takes over a slot lets other requests run first.
    await setImmediate();
    const buffer = this.memory.take();
    const release = () => {
      this.memory.give(buffer);
      assemblies.end();
    };
    try {
      const length = await this.#fill(buffer, place);
      return { bytes: buffer.subarray(0, length), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Assembles bytes from `place` on in the first half of the buffer, and reads into the second half. Returns the length. */
  async #fill(buffer: Buffer, place: Place): Promise<number> {
    const window = new Window(this.whole, buffer.subarray(pieceBytesMax));
    let { part, offset } = place;
    let filled = 0;
    for (; part < this.#parts; part++, offset = 0) {
      const header = this.#header(part);
      if (offset < header.length) {
        const written = buffer.write(header.slice(offset), filled, pieceBytesMax - filled, "latin1");
        filled += written;
        offset += written;
      }
      const from = this.#first(part) + offset - header.length;
      const left = this.#last(part) + 1 - from;
      if (filled === pieceBytesMax || left >= wholeBodyBytesMin) return filled;
      const length = Math.min(left, pieceBytesMax - filled);
      if (!window.has(from, length)) await window.load(from, this.#reach(part, from, length));
      window.copy(buffer, filled, from, length);
      filled += length;
      if (length < left) return filled;
    }
    const written = buffer.write(this.#trailer.slice(offset), filled, pieceBytesMax - filled, "latin1");
    return filled + written;
  }

  /** Returns how much to read at `from`: this part, and following parts that lie directly behind it. */
  #reach(part: number, from: number, length: number): number {
    let end = from + length;
    for (let next = part + 1; next < this.#parts; next++) {
      const last = this.#last(next);
      if (this.#first(next) < end || last + 1 - from > pieceBytesMax) break;
      end = last + 1;
    }
    return end - from;
  }
}

/** Contiguous bytes of a blob, so that one read serves many small ranges. */
class Window {
  #start = 0;
  #end = 0;

  constructor(
    readonly whole: ByteSource,
    readonly buffer: Buffer,
  ) {}

  has(from: number, length: number): boolean {
    return this.whole.bytes !== undefined || (from >= this.#start && from + length <= this.#end);
  }

  async load(from: number, length: number): Promise<void> {
    const { read } = this.whole;
    assert(read !== undefined, "a source that is not in memory can be read");
    this.#start = this.#end = from;
    const got = await read(this.buffer.subarray(0, length), from);
    if (got < length) throw new Error("a blob is shorter than it was");
    this.#end = from + length;
  }

  copy(into: Buffer, at: number, from: number, length: number): void {
    const { bytes } = this.whole;
    if (bytes !== undefined) into.set(bytes.subarray(from, from + length), at);
    else this.buffer.copy(into, at, from - this.#start, from - this.#start + length);
  }
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let power = 10; power <= value; power *= 10) digits++;
  return digits;
}
