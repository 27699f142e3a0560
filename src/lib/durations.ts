/** Counts durations in buckets, for a histogram. */

export class Durations {
  /** Sum of all durations, in seconds. */
  sum = 0;
  count = 0;
  /** Counts by bucket, not cumulative. The last bucket has what exceeds every bound. */
  readonly counts: number[];

  /** Upper bounds in seconds, ascending. */
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

  /** Runs `work` and adds its duration, also if it fails. */
  async time<T>(work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.add((performance.now() - startedAt) / 1000);
    }
  }
}
