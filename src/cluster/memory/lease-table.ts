/**
 * A table of lease ends by hash of the leased object, in 12 bytes per slot: a busy registry grants leases on a hundred
 * objects per second for hours. Two objects with the same hash share the later end, so one may be kept longer than
 * necessary, and none is collected too early.
 */

/** Each shard is rebuilt separately when full, in some milliseconds; rebuilding the whole table would stall the server. */
const shardCount = 64;

const slotsMin = 16;

/** Maximum fill of a shard's slots, beyond which probing is slow. */
const loadMax = 0.6;

/**
 * Returns a hash of 52 bits, never 0, which marks a free slot. It need not resist attacks: a collision only keeps an object
 * longer.
 */
export function leaseHash(key: string): number {
  let high = 0x811c9dc5;
  let low = 0x2f0b4c17;
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul(low ^ unit, 0x5bd1e995) ^ (low >>> 15);
  }
  high ^= low >>> 13;
  return (Math.imul(high, 0x85ebca6b) >>> 0) * 0x100000 + (low >>> 12) || 1;
}

const hashesPerShard = 2 ** 52 / shardCount;

class Shard {
  #hashes = new Float64Array(slotsMin);
  /** Seconds since the epoch, 0 in a free slot. */
  #ends = new Uint32Array(slotsMin);
  used = 0;

  endOf(hash: number): number {
    return this.#ends[this.#slotOf(hash)] ?? 0;
  }

  set(hash: number, end: number, now: number): void {
    let slot = this.#slotOf(hash);
    if (this.#ends[slot] === 0) {
      if (this.used >= this.#ends.length * loadMax) {
        this.sweep(now);
        slot = this.#slotOf(hash);
      }
      this.used++;
    }
    this.#hashes[slot] = hash;
    this.#ends[slot] = Math.max(this.#ends[slot] ?? 0, end);
  }

  /** Drops the leases that end by `until`, and makes room for twice the remaining ones. */
  sweep(until: number): void {
    const [hashes, ends] = [this.#hashes, this.#ends];
    const remaining = ends.reduce((count, end) => count + (end > until ? 1 : 0), 0);
    const slots = 2 ** Math.ceil(Math.log2(Math.max(slotsMin, (remaining * 2) / loadMax)));
    this.#hashes = new Float64Array(slots);
    this.#ends = new Uint32Array(slots);
    this.used = remaining;
    for (let index = 0; index < ends.length; index++) {
      const end = ends[index] ?? 0;
      if (end <= until) continue;
      const hash = hashes[index] ?? 0;
      const slot = this.#slotOf(hash);
      this.#hashes[slot] = hash;
      this.#ends[slot] = end;
    }
  }

  *entries(): Iterable<readonly [hash: number, end: number]> {
    for (let index = 0; index < this.#ends.length; index++) {
      const end = this.#ends[index] ?? 0;
      if (end !== 0) yield [this.#hashes[index] ?? 0, end];
    }
  }

  /** Returns the hash's slot, or the free slot for it. */
  #slotOf(hash: number): number {
    const mask = this.#ends.length - 1;
    let slot = hash % this.#ends.length;
    while (this.#ends[slot] !== 0 && this.#hashes[slot] !== hash) slot = (slot + 1) & mask;
    return slot;
  }
}

export class LeaseTable {
  readonly #shards = Array.from({ length: shardCount }, () => new Shard());

  /** Used slots, including those of ended leases. */
  get size(): number {
    return this.#shards.reduce((sum, { used }) => sum + used, 0);
  }

  /** Returns the end of the lease in seconds since the epoch; 0 if there is none. */
  endOf(hash: number): number {
    return this.#shardOf(hash).endOf(hash);
  }

  /** Sets a lease until `end`, or keeps a longer one. Times are whole seconds since the epoch. */
  set(hash: number, end: number, now: number): void {
    this.#shardOf(hash).set(hash, end, now);
  }

  /** Drops the leases that end by `until`. */
  sweep(until: number): void {
    for (const shard of this.#shards) shard.sweep(until);
  }

  *entries(): Iterable<readonly [hash: number, end: number]> {
    for (const shard of this.#shards) yield* shard.entries();
  }

  #shardOf(hash: number): Shard {
    const shard = this.#shards[Math.floor(hash / hashesPerShard)];
    if (shard === undefined) throw new Error("invariant broken: a hash has 52 bits");
    return shard;
  }
}
