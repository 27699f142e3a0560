/**
 * Counts pieces of work within one turn of the event loop. Whoever has no other way to know when a turn ends, such as in
 * callbacks of a native library, learns it here for one timer in many pieces.
 */
export class TurnBudget {
  /** Pieces of this turn; those of earlier turns may be among them, fewer than `watchedFrom`. */
  used = 0;

  /** A turn is watched from its `watchedFrom`th piece on; `onEnd` is then told when it ends. */
  constructor(
    readonly max: number,
    readonly watchedFrom: number,
    readonly onEnd?: (used: number) => void,
  ) {}

  /** Counts a piece. Whether it is within the budget. */
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
