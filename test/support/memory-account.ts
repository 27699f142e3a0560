import assert from "node:assert/strict";

/** Counts charged bytes, up to a limit. */
export class MemoryAccount {
  taken = 0;
  peak = 0;

  constructor(readonly bytes = Number.POSITIVE_INFINITY) {}

  take(bytes: number): boolean {
    if (this.taken + bytes > this.bytes) return false;
    this.taken += bytes;
    this.peak = Math.max(this.peak, this.taken);
    return true;
  }

  give(bytes: number): void {
    this.taken -= bytes;
    assert.ok(this.taken >= 0);
  }
}
