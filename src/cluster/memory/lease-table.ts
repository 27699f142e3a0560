/**
 * Ends of leases by a hash of what they are of, in 12 bytes a slot: a busy registry tells its clients of a
 * hundred objects a second for hours. Two objects of one hash share the later end, so one of them may stay
 * longer than it has to, and none goes too early.
 */

/** Each is made anew by itself when it is full: some milliseconds, where all at once would be a stall. */
const shardCount = 64;

const slotsMin = 16;

/** Of a shard's slots, beyond which probing takes long. */
const loadMax = 0.6;

/** A hash of 52 bits and never 0, which marks a free slot. Not against malice: a collision only keeps something. */
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

  /** Lets go of the leases that end by `until`, with room for twice as many as remain. */
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

  /** The hash's slot, or the free one where it would be. */
  #slotOf(hash: number): number {
    const mask = this.#ends.length - 1;
    let slot = hash % this.#ends.length;
    while (this.#ends[slot] !== 0 && this.#hashes[slot] !== hash) slot = (slot + 1) & mask;
    return slot;
  }
}

export class LeaseTable {
  readonly #shards = Array.from({ length: shardCount }, () => new Shard());

  /** Slots that are taken, by leases that have ended too. */
  get size(): number {
    return this.#shards.reduce((sum, { used }) => sum + used, 0);
  }

  /** Seconds since the epoch at which the lease of that hash ends, 0 where there is none. */
  endOf(hash: number): number {
    return this.#shardOf(hash).endOf(hash);
  }

  /** A lease until `end`, or as long as there is one already. Times are whole seconds since the epoch. */
  set(hash: number, end: number, now: number): void {
    this.#shardOf(hash).set(hash, end, now);
  }

  /** Lets go of the leases that end by `until`. */
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
