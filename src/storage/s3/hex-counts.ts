/**
 * Counts occurrences of evenly distributed hexadecimal texts, such as hashes, up to 255 of each, in 15 to 30 bytes for each:
 * millions fit into memory. Keeps 52 bits of a text; two that share them share their count, so neither counts as unused while
 * the other is used.
 */

const slotsMin = 1024;

/** Maximum fill of the slots, beyond which probing is slow. */
const loadMax = 0.6;

/** 52 bits are 13 hexadecimal digits; 0 marks a free slot. */
function hashOf(hex: string): number {
  return Number.parseInt(hex.slice(0, 13), 16) || 1;
}

export class HexCounts {
  #hashes = new Float64Array(slotsMin);
  #counts = new Uint8Array(slotsMin);
  #used = 0;

  add(hex: string): void {
    if (this.#used >= this.#hashes.length * loadMax) this.#grow();
    const hash = hashOf(hex);
    const slot = this.#slotOf(hash);
    if (this.#counts[slot] === 0) this.#used++;
    this.#hashes[slot] = hash;
    this.#counts[slot] = Math.min(255, (this.#counts[slot] ?? 0) + 1);
  }

  /** Returns how often the text was added. */
  of(hex: string): number {
    return this.#counts[this.#slotOf(hashOf(hex))] ?? 0;
  }

  #grow(): void {
    const [hashes, counts] = [this.#hashes, this.#counts];
    this.#hashes = new Float64Array(hashes.length * 2);
    this.#counts = new Uint8Array(hashes.length * 2);
    for (const [index, count] of counts.entries()) {
      if (count === 0) continue;
      const slot = this.#slotOf(hashes[index] ?? 0);
      this.#hashes[slot] = hashes[index] ?? 0;
      this.#counts[slot] = count;
    }
  }

  /** Returns the hash's slot, or the free slot for it. */
  #slotOf(hash: number): number {
    const mask = this.#hashes.length - 1;
    // UUIDs have constant bits at the end.
    let slot = Math.floor(hash / 16) % this.#hashes.length;
    while (this.#counts[slot] !== 0 && this.#hashes[slot] !== hash) slot = (slot + 1) & mask;
    return slot;
  }
}
