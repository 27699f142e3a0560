/**
 * Counts pieces of work within one turn of the event loop, for callbacks of a native library, which cannot see when a turn
 * ends. Costs one timer per turn at most.
 */
export class TurnBudget {
  /** Pieces in this turn. May include fewer than `watchedFrom` of earlier turns. */
  used = 0;

  /** Watches a turn from its `watchedFrom`th piece on, and calls `onEnd` when it ends. */
  constructor(
    readonly max: number,
    readonly watchedFrom: number,
    readonly onEnd?: (used: number) => void,
  ) {}

  /** Counts a piece and returns whether it is within the budget. */
  take(): boolean {
    this.used++;
    if (this.used === this.watchedFrom) setImmediate(() => this.#end());
    return this.used <= this.max;
  }

  #end(): void {
    const { used } = this;
    this.used = 0;
    this.onEnd?.(used);
  }
}
