/**
 * Watches bodies that come in chunks (`Transfer-Encoding: chunked`).
 *
 * uWebSockets.js calls back for each chunk of a read without a pause. 512 KiB may hold 87,000 chunks of one byte, which
 * would delay all other requests by 50 to 90 ms. So this counts chunks per turn of the event loop, slows down bodies in tiny
 * chunks, and closes a connection that sends too many at once.
 *
 * uWebSockets.js also takes a chunk extension for part of the chunk's size, and then waits for bytes that never come. This
 * is detected because the received data then looks like the end of a chunked body: the data contains the bytes of the last
 * chunk (`0\r\n\r\n`) or, if the last chunk itself has the extension, the empty line after it.
 */
import { TurnBudget } from "../lib/turn-budget.js";

/** A body that can be slowed down or cut off. */
export interface Watched {
  /** Stops reading from the client for a while. */
  slowDown(): void;
  goOn(): void;
  /** Closes the connection. */
  cutOff(): void;
}

/** Clients send kilobytes at a time. Smaller chunks cost more for the callback than for their bytes. */
const tinyBytesMax = 256;

/** Tiny chunks of all bodies at once: about 8 ms of work, and more than one read of chunks of 64 bytes or more can hold. */
const tinyChunksMax = 8192;

/** A chunk costs about 1 µs: tiny chunks get a tenth of the time. */
const tinyChunksPerMillisecond = 100;

/** Tiny chunks that a body may still send in one turn when all bodies together have sent too many. */
const tinyChunksMin = 64;

/** Fewer tiny chunks in a turn do not slow a body down. */
const slowedFrom = 1024;

const tailBytes = 64;

/** The end of a chunked body, with or without extension and trailers, after the data of another chunk. */
const ending = /\r\n0+[ \t]*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n$/;

/** The text after the line of the last chunk: trailers, if any, and an empty line. */
const endingAlone = /^(?:[^\r\n:]+:[^\r\n]*\r\n)*\r\n$/;

/** Silence after which data that contains the last chunk counts as the end. No layer ends a read with these seven bytes by chance. */
const endingMilliseconds = 1000;

/** A client may send a single line break, but hardly pauses this long afterwards. */
const endingAloneMilliseconds = 10_000;

/** The budget of tiny chunks for all bodies of a server. */
export class ChunkBudget {
  /** Connections that were closed for too many tiny chunks. */
  refused = 0;
  #left = tinyChunksMax;
  #refilledAt = performance.now();
  readonly #turn = new TurnBudget(Number.POSITIVE_INFINITY, tinyChunksMin, (used) => this.#endTurn(used));
  readonly #busy = new Set<ChunkWatch>();

  /** Counts a tiny chunk of a body that has had `own` in this turn. Returns whether it is within the limits. */
  take(watch: ChunkWatch, own: number): boolean {
    if (own === 1) this.#begin(watch);
    this.#turn.take();
    this.#left--;
    if (this.#left >= 0 || own <= tinyChunksMin) return true;
    this.refused++;
    this.#busy.delete(watch);
    return false;
  }

  #begin(watch: ChunkWatch): void {
    this.#busy.add(watch);
    const now = performance.now();
    const refill = (now - this.#refilledAt) * tinyChunksPerMillisecond;
    this.#left = Math.min(tinyChunksMax, this.#left + refill);
    this.#refilledAt = now;
  }

  #endTurn(used: number): void {
    const busy = [...this.#busy];
    this.#busy.clear();
    for (const watch of busy) watch.forgetTurn();
    if (used < slowedFrom) return;
    for (const { body } of busy) body.slowDown();
    setTimeout(() => {
      for (const { body } of busy) body.goOn();
    }, used / tinyChunksPerMillisecond).unref();
  }
}

export class ChunkWatch {
  /** Tiny chunks in this turn. */
  #own = 0;
  readonly #tail = Buffer.alloc(tailBytes);
  /** Number of the bytes that arrived last, in one piece. */
  #lastBytes = 0;

  constructor(
    readonly budget: ChunkBudget,
    readonly body: Watched,
  ) {}

  /** Counts a chunk. Returns whether the connection is still open. */
  see(chunk: Uint8Array): boolean {
    this.#remember(chunk);
    if (chunk.length >= tinyBytesMax) return true;
    this.#own++;
    if (this.budget.take(this, this.#own)) return true;
    this.body.cutOff();
    return false;
  }

  forgetTurn(): void {
    this.#own = 0;
  }

  /**
   * Whether the received data ends like a chunked body although uWebSockets.js waits for more, and the client was silent for
   * `silentMilliseconds`.
   */
  looksEnded(silentMilliseconds: number): boolean {
    if (silentMilliseconds < endingMilliseconds) return false;
    const tail = this.#tail.toString("latin1");
    if (ending.test(tail)) return true;
    if (silentMilliseconds < endingAloneMilliseconds || this.#lastBytes > tailBytes) return false;
    return endingAlone.test(tail.slice(tailBytes - this.#lastBytes));
  }

  #remember(chunk: Uint8Array): void {
    this.#lastBytes = chunk.length;
    const kept = Math.min(chunk.length, tailBytes);
    this.#tail.copyWithin(0, kept);
    this.#tail.set(chunk.subarray(chunk.length - kept), tailBytes - kept);
  }
}
