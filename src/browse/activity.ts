/**
 * Activity of all nodes in the last day, by quarter hours. Requests only increment totals; a timer records the differences
 * every few seconds.
 */

export const quarterMilliseconds = 15 * 60_000;

/** Quarters of a day. */
export const quarters = 96;

/** Totals of requests, which the observer of requests increments. */
export class RequestTotals {
  /** Manifests that were pushed and pulled. */
  pushes = 0;
  pulls = 0;
  /** Bytes of requests' and responses' bodies. */
  received = 0;
  sent = 0;
}

/** Returns totals by name, which only grow while the process runs. */
export type Totals = () => Readonly<Record<string, number>>;

export interface Series {
  /** The oldest quarter first; the last one has not ended. */
  readonly values: readonly number[];
  readonly sum: number;
}

/** The figures as they are kept across a restart. */
export interface Note {
  /** Number of the last quarter, counted since the epoch. */
  readonly quarter: number;
  /** By name: values of quarters, each at its number's remainder. */
  readonly series: Readonly<Record<string, readonly number[]>>;
}

export class Activity {
  /** By name: a ring, in which each quarter has its place. */
  readonly #rings = new Map<string, Float64Array>();
  /** The figures of other nodes. */
  others: readonly Note[] = [];
  #quarter: number;
  #last: Readonly<Record<string, number>>;

  constructor(
    readonly totals: Totals,
    now = Date.now(),
  ) {
    this.#quarter = quarterOf(now);
    this.#last = totals();
  }

  /** Adds what has happened since the last call. Call it every few seconds, so that it is known in which quarter it was. */
  sample(now = Date.now()): void {
    const totals = this.totals();
    for (const [name, total] of Object.entries(totals))
      this.#add(name, this.#quarter, total - (this.#last[name] ?? 0));
    this.#last = totals;
    const quarter = quarterOf(now);
    if (quarter <= this.#quarter) return;
    const passed = Math.min(quarter - this.#quarter, quarters);
    for (const ring of this.#rings.values())
      for (let back = 0; back < passed; back++) ring[(quarter - back) % quarters] = 0;
    this.#quarter = quarter;
  }

  series(name: string): Series {
    const own = this.#rings.get(name);
    const first = this.#quarter - quarters + 1;
    const values = Array.from({ length: quarters }, (_, index) => {
      const quarter = first + index;
      const value = own?.[quarter % quarters] ?? 0;
      return this.others.reduce((sum, note) => sum + notedIn(note, name, quarter), value);
    });
    return { values, sum: values.reduce((sum, value) => sum + value, 0) };
  }

  /** When the first quarter of the series began, in milliseconds since the epoch. */
  get beganAt(): number {
    return (this.#quarter - quarters + 1) * quarterMilliseconds;
  }

  save(): Note {
    const series = Array.from(this.#rings, ([name, ring]) => [name, Array.from(ring)] as const);
    return { quarter: this.#quarter, series: Object.fromEntries(series) };
  }

  /** Adds what the previous process has saved. */
  restore(note: Note): void {
    for (const name of Object.keys(note.series))
      for (let quarter = this.#quarter - quarters + 1; quarter <= this.#quarter; quarter++)
        this.#add(name, quarter, notedIn(note, name, quarter));
  }

  #add(name: string, quarter: number, value: number): void {
    let ring = this.#rings.get(name);
    if (ring === undefined) {
      ring = new Float64Array(quarters);
      this.#rings.set(name, ring);
    }
    const place = quarter % quarters;
    ring[place] = (ring[place] ?? 0) + value;
  }
}

/** Returns 0 for a quarter before or after the note's. */
function notedIn({ quarter: last, series }: Note, name: string, quarter: number): number {
  if (quarter > last || quarter <= last - quarters) return 0;
  return series[name]?.[quarter % quarters] ?? 0;
}

function quarterOf(time: number): number {
  return Math.floor(time / quarterMilliseconds);
}
