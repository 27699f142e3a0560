/**
 * A bounded cache in front of reads that may be overtaken by writes. Callers who miss share one read; a
 * read that a `set` or `delete` overtakes still answers those who waited, but is not kept, so a cache
 * never brings back what was deleted or replaced.
 */
import { LRUCache } from "lru-cache";
import { HitCounts } from "../lib/hit-counts.js";
import { entriesMax } from "../lib/lru-bound.js";

/** Most entries, or most units of whatever `sizeOf` counts. */
export type Bound<V> =
  | { readonly max: number }
  | { readonly maxSize: number; readonly sizeOf: (value: V) => number };

export class ReadThroughCache<K extends string, V extends NonNullable<unknown>> {
  readonly #kept: LRUCache<K, V>;
  readonly #reading = new Map<K, Promise<V | undefined>>();
  readonly lookups = new HitCounts();

  constructor(bound: Bound<V>) {
    this.#kept =
      "max" in bound
        ? new LRUCache(entriesMax(bound.max))
        : new LRUCache({
            maxSize: bound.maxSize,
            sizeCalculation: (value) => Math.max(1, bound.sizeOf(value)),
          });
  }

  /** The value kept. That there is none is counted by the `load` that follows where the value is wanted all the same. */
  get(key: K): V | undefined {
    const kept = this.#kept.get(key);
    if (kept !== undefined) this.lookups.hits++;
    return kept;
  }

  /** The value kept, or what `read` gives; absence is not kept. */
  load(key: K, read: () => Promise<V | undefined>): V | Promise<V | undefined> {
    const kept = this.lookups.note(this.#kept.get(key));
    if (kept !== undefined) return kept;
    const running = this.#reading.get(key);
    if (running !== undefined) return running;
    const reading = read().then(
      (value) => {
        if (this.#finish(key, reading) && value !== undefined) this.#kept.set(key, value);
        return value;
      },
      (error: unknown) => {
        this.#finish(key, reading);
        throw error;
      },
    );
    this.#reading.set(key, reading);
    return reading;
  }

  /** Whether nothing overtook the read. */
  #finish(key: K, reading: Promise<V | undefined>): boolean {
    return this.#reading.get(key) === reading && this.#reading.delete(key);
  }

  set(key: K, value: V): void {
    this.#reading.delete(key);
    this.#kept.set(key, value);
  }

  delete(key: K): void {
    this.#reading.delete(key);
    this.#kept.delete(key);
  }

  clear(): void {
    this.#reading.clear();
    this.#kept.clear();
  }
}
