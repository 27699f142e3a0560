/** Counts concurrent operations against two limits: in total and per holder. */
export class Places {
  #taken = 0;
  readonly #byHolder = new Map<string, number>();

  constructor(
    readonly total: number,
    readonly perHolder: number,
  ) {}

  /** Number of places taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Number of places of `holder`. */
  takenBy(holder: string): number {
    return this.#byHolder.get(holder) ?? 0;
  }

  /** Takes a place for `holder` and returns true, or returns false if there is none. */
  enter(holder: string): boolean {
    const own = this.takenBy(holder);
    if (this.#taken >= this.total || own >= this.perHolder) return false;
    this.#taken++;
    this.#byHolder.set(holder, own + 1);
    return true;
  }

  /** Returns a place of `holder`. */
  leave(holder: string): void {
    const left = (this.#byHolder.get(holder) ?? 0) - 1;
    if (left < 0) throw new Error("invariant broken: a place is given back once");
    this.#taken--;
    if (left === 0) this.#byHolder.delete(holder);
    else this.#byHolder.set(holder, left);
  }
}
