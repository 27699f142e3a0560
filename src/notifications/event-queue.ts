/**
 * Events on their way to one receiver, as text, in the order they came. Bounded in number and in bytes: where there
 * is no room the oldest make it, since what came last tells best how things are.
 */

/** Events that go together, and the number of the one behind them. */
export interface Batch {
  readonly texts: readonly string[];
  readonly end: number;
}

/** Places of events that are gone are given back so many at a time, or more. */
const placesGoneMin = 1024;

export class EventQueue {
  readonly #texts: string[] = [];
  /** Places at the beginning of `#texts` whose events are gone. */
  #gone = 0;
  /** Of the first event that is here; each has the number behind that of the one before it. */
  #first = 0;
  #bytes = 0;

  constructor(
    readonly eventsMax: number,
    readonly bytesMax: number,
  ) {}

  get length(): number {
    return this.#texts.length - this.#gone;
  }

  /** How many events there was no room for: older ones, or the new one where it alone has too many bytes. */
  push(text: string): number {
    const bytes = Buffer.byteLength(text);
    if (bytes > this.bytesMax) return 1;
    this.#texts.push(text);
    this.#bytes += bytes;
    let dropped = 0;
    for (; this.length > this.eventsMax || this.#bytes > this.bytesMax; dropped++) this.#removeFirst();
    return dropped;
  }

  /** The first events, which stay: up to `eventsMax` of them with up to `bytesMax`, and one in any case. */
  peek(eventsMax: number, bytesMax: number): Batch {
    let place = this.#gone;
    for (let bytes = 0; place < this.#texts.length && place - this.#gone < eventsMax; place++) {
      bytes += Buffer.byteLength(this.#texts[place] ?? "");
      if (bytes > bytesMax && place > this.#gone) break;
    }
    const texts = this.#texts.slice(this.#gone, place);
    return { texts, end: this.#first + texts.length };
  }

  /** Removes those of a batch that are here still, and tells how many these were. */
  remove({ end }: Batch): number {
    let removed = 0;
    for (; this.#first < end; removed++) this.#removeFirst();
    return removed;
  }

  #removeFirst(): void {
    this.#bytes -= Buffer.byteLength(this.#texts[this.#gone] ?? "");
    this.#texts[this.#gone] = "";
    this.#gone++;
    this.#first++;
    if (this.#gone < placesGoneMin || this.#gone < this.#texts.length / 2) return;
    this.#texts.splice(0, this.#gone);
    this.#gone = 0;
  }
}
