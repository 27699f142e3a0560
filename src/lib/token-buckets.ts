/**
 * Rate limits by key: a token bucket per key that holds `burst` tokens and refills at `perSecond`. Remembers `keysMax` keys;
 * the least recently used one is forgotten, as if its bucket were full.
 */
import { LRUCache } from "lru-cache";
import { entriesMax } from "./lru-bound.js";
import type { SharedLimits, SharedRate } from "./shared-limits.js";

export interface BucketOptions {
  readonly perSecond: number;
  /** Capacity of a bucket. */
  readonly burst: number;
  /** About 150 bytes each. */
  readonly keysMax: number;
  /** Where other processes take tokens, and the name of this limit there. */
  readonly shared?: { readonly limits: SharedLimits; readonly name: string } | undefined;
}

interface Bucket {
  level: number;
  /** In milliseconds, by the caller's clock. */
  at: number;
}

export class TokenBuckets {
  readonly #buckets: LRUCache<string, Bucket>;

  readonly #shared: SharedRate | undefined;

  constructor(readonly options: BucketOptions) {
    const { keysMax, shared } = options;
    this.#buckets = new LRUCache(entriesMax(keysMax));
    this.#shared = shared?.limits.rate(shared.name, (key, count) => this.#takeElsewhere(key, count));
  }

  /** Takes a token and returns true, or returns false if there is none. */
  take(key: string, now: number = performance.now()): boolean {
    const bucket = this.#filled(key, now);
    if (bucket.level < 1) return false;
    bucket.level -= 1;
    this.#shared?.took(key);
    return true;
  }

  /**
   * Takes tokens that other processes have given away. There may be too few: then the key waits longer for the next one, so that
   * it has its rate in the long run.
   */
  #takeElsewhere(key: string, count: number, now: number = performance.now()): void {
    const bucket = this.#filled(key, now);
    bucket.level = Math.max(-this.options.burst, bucket.level - count);
  }

  /** Returns the whole seconds until the next token, 0 if there is one now. */
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
