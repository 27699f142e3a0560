/** How long something took each time, counted by bounds: what a histogram is made of. */

export class Durations {
  /** Seconds of all together. */
  sum = 0;
  count = 0;
  /** By bound, the last for what is beyond all; not summed up. */
  readonly counts: number[];

  /** Seconds, rising. */
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  add(seconds: number): void {
    const { bounds, counts } = this;
    let index = 0;
    while (index < bounds.length && seconds > (bounds[index] ?? 0)) index++;
    counts[index] = (counts[index] ?? 0) + 1;
    this.sum += seconds;
    this.count++;
  }

  /** Adds how long `work` takes, which counts where it fails too. */
  async time<T>(work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.add((performance.now() - startedAt) / 1000);
    }
  }
}
