/**
 * A queue of events for one receiver, as JSON in UTF-8, in order of arrival. It is bounded in number and bytes, and drops the
 * oldest events when full, because the newest describe the current state best.
 *
 * Events are stored in a ring buffer. Kept as strings, they lived just long enough to dominate garbage collection: a quarter
 * of the time of a busy server with a full queue.
 */

/** A batch of the first events, which stay in the queue until removed. */
export interface Batch {
  readonly events: number;
  /** Joined by commas. */
  readonly json: Buffer;
  /** Number of the first event after the batch. */
  readonly end: number;
}

export class EventQueue {
  readonly #buffer: Buffer;
  /** Bytes of each event with its comma, by its number modulo the queue's capacity. */
  readonly #lengths: Uint32Array;
  /** Number of the first queued event. Events are numbered consecutively. */
  #first = 0;
  #count = 0;
  /** Offset of the first event in the buffer, and the bytes of all events. */
  #start = 0;
  #used = 0;

  constructor(
    readonly eventsMax: number,
    readonly bytesMax: number,
  ) {
    // The system allocates pages only when they are written.
    this.#buffer = Buffer.allocUnsafeSlow(bytesMax);
    this.#lengths = new Uint32Array(eventsMax);
  }

  get length(): number {
    return this.#count;
  }

  /** Adds an event. Returns how many were dropped: older ones, or the new one if it alone is too large. */
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

  /** Returns the first events: at most `eventsMax` with at most `bytesMax` together, but at least one if there is one. */
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

  /** Removes the events of a batch that are still queued, and returns their number. */
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
    // Restart at the beginning when empty, so that a short queue touches little memory.
    this.#start = this.#count === 0 ? 0 : (this.#start + length) % this.bytesMax;
  }

  #lengthOf(number: number): number {
    return this.#lengths[number % this.eventsMax] ?? 0;
  }
}
