/** Totals of the garbage collections of this process. */
import { Durations } from "../lib/durations.js";

/** In seconds. A few thousand manifests take less than the first, a million blobs several minutes. */
const bounds = [1, 5, 15, 60, 300, 900, 3600, 14_400];

export interface Collected {
  readonly tags: number;
  readonly manifests: number;
  readonly blobs: number;
  /** Removed blobs that no repository had. */
  readonly contents: number;
}

export class GcStats {
  /** `stopped`: aborted early. It may have removed something. */
  readonly runs = { done: 0, stopped: 0, failed: 0 };
  readonly durations = new Durations(bounds);
  readonly removed: Record<keyof Collected, number> = { tags: 0, manifests: 0, blobs: 0, contents: 0 };
  freedBytes = 0;
  /** Milliseconds since the epoch; 0 if there was none. */
  lastSuccessAt = 0;

  /** Counts a collection, also a failed one, whose removals are unknown. */
  async count<T>(
    collect: () => Promise<T>,
    resultOf: (report: T) => { readonly removed: Collected; readonly freedBytes: number },
    signal: AbortSignal | undefined,
  ): Promise<T> {
    try {
      const report = await this.durations.time(collect);
      const { removed, freedBytes } = resultOf(report);
      for (const kind of ["tags", "manifests", "blobs", "contents"] as const)
        this.removed[kind] += removed[kind];
      this.freedBytes += freedBytes;
      this.runs[signal?.aborted ? "stopped" : "done"]++;
      if (!signal?.aborted) this.lastSuccessAt = Date.now();
      return report;
    } catch (error) {
      this.runs.failed++;
      throw error;
    }
  }
}
