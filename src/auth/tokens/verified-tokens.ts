/**
 * Caches verified tokens, so that a token used for a thousand requests costs one signature check. Entries are stored under a
 * keyed hash, so that neither reading the memory nor timing a lookup reveals a token.
 */
import { createHmac, randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import { HitCounts } from "../../lib/hit-counts.js";
import type { Identity } from "../identity.js";
import type { Verified } from "./jwt.js";

/** An identity with its claims takes about 2 KiB: 20 MB in total. */
const tokensMax = 10_000;

interface Entry {
  readonly identity: Identity;
  /** Generation of the keys that verified it. */
  readonly generation: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export class VerifiedTokens {
  readonly #key = randomBytes(32);
  readonly #kept = new LRUCache<string, Entry>({ max: tokensMax });

  constructor(readonly lookups = new HitCounts()) {}

  /** Returns the identity until the token expires or the generation of the keys changes. */
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
