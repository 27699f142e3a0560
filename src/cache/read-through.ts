/**
 * A bounded read-through cache. Concurrent misses of one key share one read. A read that is overtaken by a `set` or `delete`
 * still answers those who waited for it, but is not cached, so the cache never brings back a deleted or replaced value.
 */
import { LRUCache } from "lru-cache";
import { RegistryError } from "../domain/errors.js";
import { assert } from "../lib/assert.js";
import { HitCounts } from "../lib/hit-counts.js";
import { entriesMax } from "../lib/lru-bound.js";

/** Maximum number of entries, or of the units that `sizeOf` counts. */
export type Bound<V> =
  | { readonly max: number }
  | { readonly maxSize: number; readonly sizeOf: (value: V) => number };

export class ReadThroughCache<K extends string, V extends NonNullable<unknown>> {
  readonly #kept: LRUCache<K, V>;
  readonly #reading = new Map<K, Promise<V | undefined>>();
  /** Keys whose values are being changed in the storage. */
  readonly #writing = new Map<K, { writers: number; contested: boolean }>();
  /** Reads while the cache is suspended: the running one, and the one that starts when it has ended. */
  readonly #uncached = new Map<
    K,
    { readonly running: Promise<V | undefined>; next?: Promise<V | undefined> }
  >();
  readonly lookups = new HitCounts();

  constructor(
    bound: Bound<V>,
    /** While it returns false, nothing is answered from the cache: changes of the key elsewhere may be missed. */
    readonly isCurrent: (key: K) => boolean = () => true,
    /**
     * Called with a key that is not current and has a value: from some time on, it will be current. Not for absent values, so
     * that a flood of them displaces no key that is followed.
     */
    readonly follow: (key: K) => void = () => {},
  ) {
    this.#kept =
      "max" in bound
        ? new LRUCache(entriesMax(bound.max))
        : new LRUCache({
            maxSize: bound.maxSize,
            sizeCalculation: (value) => Math.max(1, bound.sizeOf(value)),
          });
  }

  /** Returns the cached value. A miss is not counted here, but by the `load` that follows. */
  get(key: K): V | undefined {
    if (!this.isCurrent(key)) return undefined;
    const kept = this.#kept.get(key);
    if (kept !== undefined) this.lookups.hits++;
    return kept;
  }

  /** Returns the cached value, or the result of `read`. Does not cache undefined. */
  load(key: K, read: () => Promise<V | undefined>): V | Promise<V | undefined> {
    if (!this.isCurrent(key)) return this.#readUncached(key, read);
    const kept = this.lookups.note(this.#kept.get(key));
    if (kept !== undefined) return kept;
    const running = this.#reading.get(key);
    if (running !== undefined) return running;
    const reading = read().then(
      (value) => {
        if (this.#finish(key, reading) && value !== undefined && this.isCurrent(key))
          this.#kept.set(key, value);
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

  /**
   * Never answers from a read that began before the call, because it may have seen an earlier state. Callers that arrive
   * during a read share the next one. If the storage did not answer the running one, they learn that at once: nobody waits for
   * the end of two reads of a storage that hangs.
   */
  #readUncached(key: K, read: () => Promise<V | undefined>): Promise<V | undefined> {
    this.lookups.note(undefined);
    const reads = this.#uncached.get(key);
    if (reads === undefined) return this.#beginUncached(key, read);
    const begin = () => this.#beginUncached(key, read);
    reads.next ??= reads.running.then(begin, (error: unknown) => {
      if (error instanceof RegistryError && error.kind === "storage-unavailable") throw error;
      return begin();
    });
    return reads.next;
  }

  #beginUncached(key: K, read: () => Promise<V | undefined>): Promise<V | undefined> {
    const reads = { running: read() };
    this.#uncached.set(key, reads);
    const end = (value?: V) => {
      if (this.#uncached.get(key) === reads) this.#uncached.delete(key);
      if (value !== undefined) this.follow(key);
    };
    reads.running.then(end, () => end());
    return reads.running;
  }

  /** Returns whether no change overtook the read. */
  #finish(key: K, reading: Promise<V | undefined>): boolean {
    return this.#reading.get(key) === reading && this.#reading.delete(key);
  }

  /** Begins a change of the key's value in the storage. End it with `endWrite`, also if the change fails. */
  beginWrite(key: K): void {
    const writing = this.#writing.get(key);
    if (writing === undefined) {
      this.#writing.set(key, { writers: 1, contested: !this.isCurrent(key) });
      return;
    }
    writing.writers++;
    writing.contested = true;
  }

  /**
   * Returns whether the key was current, and no other change of the value was made or reported since `beginWrite`. Only then
   * may the caller `set` its value, in the same turn: only the storage knows which of several concurrent changes was the last.
   */
  endWrite(key: K): boolean {
    const writing = this.#writing.get(key);
    assert(writing !== undefined, "a write ends once");
    if (--writing.writers === 0) this.#writing.delete(key);
    return !writing.contested;
  }

  set(key: K, value: V): void {
    this.#reading.delete(key);
    if (this.isCurrent(key)) this.#kept.set(key, value);
    else this.#kept.delete(key);
  }

  delete(key: K): void {
    this.#contest(this.#writing.get(key));
    this.#reading.delete(key);
    this.#kept.delete(key);
  }

  #contest(writing: { contested: boolean } | undefined): void {
    if (writing !== undefined) writing.contested = true;
  }

  clear(): void {
    for (const writing of this.#writing.values()) this.#contest(writing);
    this.#reading.clear();
    this.#kept.clear();
  }
}
