/**
 * Tokens that were verified lately, so that one that is used for a thousand requests costs one signature check.
 * Kept under a keyed hash: who reads the memory, or counts how long a look-up takes, learns no token.
 */
import { createHmac, randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import { HitCounts } from "../../lib/hit-counts.js";
import type { Identity } from "../identity.js";
import type { Verified } from "./jwt.js";

/** An identity with its claims has some 2 KiB: 20 MB. */
const tokensMax = 10_000;

interface Entry {
  readonly identity: Identity;
  /** Of the keys that it was verified with. */
  readonly generation: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export class VerifiedTokens {
  readonly #key = randomBytes(32);
  readonly #kept = new LRUCache<string, Entry>({ max: tokensMax });

  constructor(readonly lookups = new HitCounts()) {}

  /** Until the token expires, and as long as the keys are those that it was verified with. */
  get(token: string, generation: number): Identity | undefined {
    const entry = this.#kept.get(this.#hash(token));
    const isCurrent = entry !== undefined && entry.generation === generation && Date.now() < entry.until;
    return this.lookups.note(isCurrent ? entry.identity : undefined);
  }

  keep(token: string, generation: number, { expires }: Verified, identity: Identity): void {
    this.#kept.set(this.#hash(token), { identity, generation, until: expires * 1000 });
  }

  #hash(token: string): string {
    return createHmac("sha256", this.#key).update(token).digest("base64");
  }
}
