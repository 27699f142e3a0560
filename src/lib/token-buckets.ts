/**
 * Rates by key: each key has a bucket that holds `burst` and fills at `perSecond`. For as many keys as
 * `keysMax`; the one used longest ago is forgotten, which is as if its bucket were full.
 */
import { LRUCache } from "lru-cache";
import { entriesMax } from "./lru-bound.js";

export interface BucketOptions {
  readonly perSecond: number;
  /** Most that may be taken at once. */
  readonly burst: number;
  /** Some 150 bytes each. */
  readonly keysMax: number;
}

interface Bucket {
  level: number;
  /** Milliseconds by the clock that the caller gives. */
  at: number;
}

export class TokenBuckets {
  readonly #buckets: LRUCache<string, Bucket>;

  constructor(readonly options: BucketOptions) {
    this.#buckets = new LRUCache(entriesMax(options.keysMax));
  }

  /** Takes one. Whether there was one. */
  take(key: string, now: number = performance.now()): boolean {
    const bucket = this.#filled(key, now);
    if (bucket.level < 1) return false;
    bucket.level -= 1;
    return true;
  }

  /** Whole seconds until there is one again, 0 where there is one now. */
  secondsUntilOne(key: string, now: number = performance.now()): number {
    return Math.ceil(Math.max(0, 1 - this.#filled(key, now).level) / this.options.perSecond);
  }

  #filled(key: string, now: number): Bucket {
    const { burst, perSecond } = this.options;
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      const full = { level: burst, at: now };
      this.#buckets.set(key, full);
      return full;
    }
    bucket.level = Math.min(burst, bucket.level + ((now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    return bucket;
  }
}
