/**
 * Caches the results of password checks, so that a client that logs in with each request costs a keyed hash instead of bcrypt.
 * Holds neither passwords nor anything from which they could be guessed without the key, which only this process has.
 */
import { createHmac, randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import { HitCounts } from "../lib/hit-counts.js";

declare const keyBrand: unique symbol;
export type VerdictKey = string & { readonly [keyBrand]: true };

/** About 150 bytes each. */
const rightMax = 10_000;
const wrongMax = 10_000;

/**
 * How long unused positive results are kept. They are bound to the version of the user's entry, so a change of the entry
 * invalidates them.
 */
const rightMilliseconds = 5 * 60_000;

/** How long negative results are kept: enough for a client that repeats a wrong password. */
const wrongMilliseconds = 30_000;

export class Verdicts {
  readonly #key = randomBytes(32);
  readonly #right = new LRUCache<VerdictKey, true>({
    max: rightMax,
    ttl: rightMilliseconds,
    updateAgeOnGet: true,
  });
  /** Separate, so that a flood of wrong passwords evicts no positive result. */
  readonly #wrong = new LRUCache<VerdictKey, true>({ max: wrongMax, ttl: wrongMilliseconds });

  constructor(readonly lookups = new HitCounts()) {}

  /** Includes the version of the user's entry, so that a result is not found after the entry has changed. */
  keyOf(user: string, password: string, version: string): VerdictKey {
    const text = JSON.stringify([version, user, password]);
    return createHmac("sha256", this.#key).update(text).digest("base64url") as VerdictKey;
  }

  get(key: VerdictKey): boolean | undefined {
    const right = this.#right.get(key);
    return this.lookups.note(right ?? (this.#wrong.get(key) === true ? false : undefined));
  }

  set(key: VerdictKey, right: boolean): void {
    (right ? this.#right : this.#wrong).set(key, true);
  }
}
