/**
 * Sends a source of bytes as fast as its client takes them: positioned reads into two pooled buffers,
 * one being sent while the next is read.
 */
import type { Exchange, Headers } from "./exchange.js";
import { type ReadBuffer, ReadBuffers, readBufferBytes } from "./read-buffers.js";
import type { ByteSource } from "./source.js";

const buffers = new ReadBuffers();

/** Bytes of a source from `start` on, in a buffer that is ours. */
interface Piece {
  readonly buffer: ReadBuffer;
  readonly start: number;
  readonly length: number;
}

/** Sends all of `source`. Resolves when the last byte has been handed to the socket or the client has gone. */
export async function sendSource(
  exchange: Exchange,
  status: number,
  headers: Headers,
  source: ByteSource,
): Promise<void> {
  if (exchange.aborted) return;
  if (source.bytes !== undefined) exchange.send(status, headers, source.bytes);
  else if (source.size === 0) exchange.send(status, headers);
  else await new Download(exchange, status, headers, source).run();
}

class Download {
  /** Pieces in our hands: the one being sent and the one behind it. */
  readonly #held = new Set<Piece>();
  #ahead: Promise<void> | undefined;
  #waiting = false;
  #writable = true;
  #wake: (() => void) | undefined;

  constructor(
    readonly exchange: Exchange,
    readonly status: number,
    readonly headers: Headers,
    readonly source: ByteSource,
  ) {}

  async run(): Promise<void> {
    const { exchange, source } = this;
    // Once for the whole response: a handler registered while another runs would be lost.
    exchange.response.onWritable(() => {
      this.#notify();
      return true;
    });
    exchange.onAbort(() => this.#notify());
    try {
      for (let position = 0; position < source.size; ) {
        const piece = this.#heldAt(position) ?? (await this.#pieceAt(position));
        if (exchange.aborted) return;
        this.#readAhead(piece.start + piece.length);
        position = this.#send(piece, position);
        if (position >= piece.start + piece.length) this.#give(piece);
        else if (position < source.size) await this.#waitUntilWritable();
        if (exchange.aborted) return;
      }
    } finally {
      await this.#ahead;
      for (const piece of this.#held) this.#give(piece);
    }
  }

  #heldAt(position: number): Piece | undefined {
    for (const piece of this.#held) {
      if (piece.start <= position && position < piece.start + piece.length) return piece;
    }
    return undefined;
  }

  async #pieceAt(position: number): Promise<Piece> {
    await this.#ahead;
    const read = this.#heldAt(position);
    if (read !== undefined) return read;
    // What was read ahead lies behind what has to be read again.
    for (const piece of this.#held) this.#give(piece);
    return this.#read(position);
  }

  #readAhead(start: number): void {
    if (start >= this.source.size || this.#ahead !== undefined || this.#heldAt(start) !== undefined) return;
    this.#ahead = this.#read(start)
      .then((piece) => {
        if (this.#waiting) this.#park(piece);
      })
      // Whoever needs the piece reads it again, and then sees what is wrong.
      .catch(() => {})
      .finally(() => {
        this.#ahead = undefined;
      });
  }

  async #read(start: number): Promise<Piece> {
    const taken = buffers.take();
    const buffer = taken instanceof Promise ? await taken : taken;
    const length = Math.min(readBufferBytes, this.source.size - start);
    try {
      const got = await this.source.read(buffer.bytes.subarray(0, length), start);
      if (got < length) throw new Error("a blob is shorter than it was");
    } catch (error) {
      buffers.give(buffer);
      throw error;
    }
    const piece = { buffer, start, length };
    this.#held.add(piece);
    return piece;
  }

  #give(piece: Piece): void {
    this.#held.delete(piece);
    buffers.give(piece.buffer);
  }

  #park(piece: Piece): void {
    buffers.park(piece.buffer, () => this.#held.delete(piece));
  }

  /** Hands what is left of the piece to the socket; the position up to which it was taken. */
  #send(piece: Piece, position: number): number {
    const { exchange, source } = this;
    const chunk = piece.buffer.bytes.subarray(position - piece.start, piece.length);
    let reached = position;
    this.#writable = true;
    exchange.response.cork(() => {
      if (!exchange.responded) exchange.writeHead(this.status, this.headers);
      const [ok, done] = exchange.response.tryEnd(chunk, source.size);
      this.#writable = ok || done;
      reached = this.#writable ? position + chunk.length : exchange.response.getWriteOffset();
    });
    return reached;
  }

  /** Meanwhile what we hold is parked, and may be gone afterwards. */
  async #waitUntilWritable(): Promise<void> {
    if (this.#writable || this.exchange.aborted) return;
    this.#waiting = true;
    for (const piece of this.#held) this.#park(piece);
    const wait = this.exchange.patience.forReader(this.exchange.response);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    wait.end();
    this.#waiting = false;
    for (const piece of this.#held) buffers.unpark(piece.buffer);
  }

  #notify(): void {
    this.#writable = true;
    this.#wake?.();
    this.#wake = undefined;
  }
}
