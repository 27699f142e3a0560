/**
 * What was found out of names and passwords, so that one who logs in with each request costs a keyed hash
 * instead of bcrypt. Holds neither passwords nor anything that a password could be guessed from without the
 * key, which only this process has.
 */
import { createHmac, randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import { HitCounts } from "../lib/hit-counts.js";

declare const keyBrand: unique symbol;
export type VerdictKey = string & { readonly [keyBrand]: true };

/** Some 150 bytes each. */
const rightMax = 10_000;
const wrongMax = 10_000;

/**
 * Right ones are forgotten when they have not been used for so long. That they are used says nothing new of them:
 * they are bound to the user's entry, so whoever changes that ends them.
 */
const rightMilliseconds = 5 * 60_000;

/** Wrong ones, from when they were found: enough against a client that tries one again and again. */
const wrongMilliseconds = 30_000;

export class Verdicts {
  readonly #key = randomBytes(32);
  readonly #right = new LRUCache<VerdictKey, true>({
    max: rightMax,
    ttl: rightMilliseconds,
    updateAgeOnGet: true,
  });
  /** By itself, so that a flood of wrong passwords drives out no right one. */
  readonly #wrong = new LRUCache<VerdictKey, true>({ max: wrongMax, ttl: wrongMilliseconds });

  constructor(readonly lookups = new HitCounts()) {}

  /** Another one for another version of the user's entry: a verdict is not found again when that has changed. */
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
