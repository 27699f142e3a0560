/** The popularity of images and layers: the k-th most popular is requested 1/k^s times as often as the first. */
import { strict as assert } from "node:assert";

export class Zipf {
  /** The cumulative share of draws up to a rank. */
  readonly #shares: Float64Array;

  /** `draw` returns numbers from 0 up to, but not including, 1. */
  constructor(
    readonly ranks: number,
    readonly exponent: number,
    readonly draw: () => number,
  ) {
    assert(ranks > 0, "there is something to draw");
    this.#shares = new Float64Array(ranks);
    let sum = 0;
    for (let rank = 0; rank < ranks; rank++) {
      sum += (rank + 1) ** -exponent;
      this.#shares[rank] = sum;
    }
    for (let rank = 0; rank < ranks; rank++) this.#shares[rank] = (this.#shares[rank] ?? 0) / sum;
  }

  /** From 0, the most popular, up to, but not including, the number of ranks. */
  next(): number {
    const drawn = this.draw();
    let low = 0;
    let high = this.ranks - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#shares[middle] ?? 1) <= drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
