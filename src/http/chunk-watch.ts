/**
 * Watches bodies that come in chunks (`Transfer-Encoding: chunked`).
 *
 * uWebSockets.js calls back for each chunk in what it has read, without a pause: 512 KiB may be 87,000 chunks of one byte, and
 * keep everybody else waiting for 50 to 90 ms. So chunks are counted by turn of the event loop. Bodies in tiny chunks are
 * slowed down, and a connection that brings too many at once is closed.
 *
 * It also takes a chunk extension for part of the chunk's size, and then waits for bytes that never come. What has come
 * looks like the end of a chunked body then, which is how it is noticed: the bytes of the last chunk (`0\r\n\r\n`) are
 * among the data, or, if the last chunk itself has the extension, the empty line behind it is.
 */
import { TurnBudget } from "../lib/turn-budget.js";

/** What a watched body can be made to do. */
export interface Watched {
  /** Reads no more from the client for a while. */
  slowDown(): void;
  goOn(): void;
  /** Closes the connection. */
  cutOff(): void;
}

/** Clients send kilobytes at a time. Smaller chunks cost more for the callback than for their bytes. */
const tinyBytesMax = 256;

/** Of all bodies at once: some 8 ms of work, and more than there are in one read of chunks of 64 bytes or more. */
const tinyChunksMax = 8192;

/** A chunk costs about 1 µs: tiny chunks get a tenth of the time. */
const tinyChunksPerMillisecond = 100;

/** What a body may have in one turn when all together have had too many. */
const tinyChunksMin = 64;

/** Fewer than that in a turn are not worth slowing anybody down. */
const slowedFrom = 1024;

const tailBytes = 64;

/** The end of a chunked body, with or without extension and trailers, behind some other chunk's data. */
const ending = /\r\n0+[ \t]*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n$/;

/** What follows the line of the last chunk: trailers, if any, and an empty line. */
const endingAlone = /^(?:[^\r\n:]+:[^\r\n]*\r\n)*\r\n$/;

/** Silence after which data that holds the last chunk is the end. No layer ends a read with these seven bytes by chance. */
const endingMilliseconds = 1000;

/** A client may send a line break by itself, but then hardly pauses for so long. */
const endingAloneMilliseconds = 10_000;

/** One for all bodies of a server. */
export class ChunkBudget {
  /** Connections that were closed for too many tiny chunks. */
  refused = 0;
  #left = tinyChunksMax;
  #refilledAt = performance.now();
  readonly #turn = new TurnBudget(Number.POSITIVE_INFINITY, tinyChunksMin, (used) => this.#endTurn(used));
  readonly #busy = new Set<ChunkWatch>();

  /** Counts a tiny chunk, of which its body has had `own` in this turn. Whether there may be so many. */
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
  /** Bytes that came last, in one piece. */
  #lastBytes = 0;

  constructor(
    readonly budget: ChunkBudget,
    readonly body: Watched,
  ) {}

  /** Takes note of a chunk. Whether the connection is still there. */
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
   * Whether what has come ends as a chunked body does, though uWebSockets.js waits for more, and nothing has come for
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
