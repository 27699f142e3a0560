/**
 * Events on their way to one receiver, as JSON in UTF-8, in the order they came. Bounded in number and in bytes:
 * where there is no room the oldest make it, since what came last tells best how things are.
 *
 * They lie one behind the other in a buffer that is written round and round. Kept as strings they lived just long
 * enough to be what the garbage collector had most to do with: a fourth of the time of a busy server whose queue was
 * full.
 */

/** The first events, which stay in the queue. */
export interface Batch {
  readonly events: number;
  /** Joined by commas. */
  readonly json: Buffer;
  /** Number of the event behind them. */
  readonly end: number;
}

export class EventQueue {
  readonly #buffer: Buffer;
  /** Bytes of each event with its comma, by its number modulo the most that there may be. */
  readonly #lengths: Uint32Array;
  /** Number of the first event that is here; each has the number behind that of the one before it. */
  #first = 0;
  #count = 0;
  /** Where in the buffer the first begins, and the bytes of all. */
  #start = 0;
  #used = 0;

  constructor(
    readonly eventsMax: number,
    readonly bytesMax: number,
  ) {
    // The system gives it memory only where it is written to.
    this.#buffer = Buffer.allocUnsafeSlow(bytesMax);
    this.#lengths = new Uint32Array(eventsMax);
  }

  get length(): number {
    return this.#count;
  }

  /** How many events there was no room for: older ones, or the new one where it alone has too many bytes. */
  push(json: string): number {
    const entry = `,${json}`;
    const length = Buffer.byteLength(entry);
    if (length > this.bytesMax) return 1;
    let dropped = 0;
    for (; this.#count === this.eventsMax || this.#used + length > this.bytesMax; dropped++)
      this.#removeFirst();
    this.#write(entry, length);
    this.#lengths[(this.#first + this.#count) % this.eventsMax] = length;
    this.#used += length;
    this.#count++;
    return dropped;
  }

  #write(entry: string, length: number): void {
    const at = (this.#start + this.#used) % this.bytesMax;
    if (at + length <= this.bytesMax) {
      this.#buffer.write(entry, at);
      return;
    }
    const bytes = Buffer.from(entry);
    const copied = bytes.copy(this.#buffer, at);
    bytes.copy(this.#buffer, 0, copied);
  }

  /** The first events: up to `eventsMax` of them with up to `bytesMax`, and one in any case, if there is one. */
  peek(eventsMax: number, bytesMax: number): Batch {
    let events = 0;
    let bytes = 0;
    for (const most = Math.min(eventsMax, this.#count); events < most; events++) {
      const length = this.#lengthOf(this.#first + events);
      if (bytes + length > bytesMax && events > 0) break;
      bytes += length;
    }
    const end = this.#start + bytes;
    const parts = [
      this.#buffer.subarray(this.#start, end),
      this.#buffer.subarray(0, Math.max(0, end - this.bytesMax)),
    ];
    return { events, json: Buffer.concat(parts).subarray(1), end: this.#first + events };
  }

  /** Removes those of a batch that are here still, and tells how many these were. */
  remove({ end }: Batch): number {
    let removed = 0;
    for (; this.#first < end; removed++) this.#removeFirst();
    return removed;
  }

  #removeFirst(): void {
    const length = this.#lengthOf(this.#first);
    this.#first++;
    this.#count--;
    this.#used -= length;
    // From the beginning once more, so that a queue that is never long takes little memory.
    this.#start = this.#count === 0 ? 0 : (this.#start + length) % this.bytesMax;
  }

  #lengthOf(number: number): number {
    return this.#lengths[number % this.eventsMax] ?? 0;
  }
}
