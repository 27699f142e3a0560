/** Places for what goes on at the same time: so many in all, and so many for one holder. */
export class Places {
  #taken = 0;
  readonly #byHolder = new Map<string, number>();

  constructor(
    readonly total: number,
    readonly perHolder: number,
  ) {}

  /** Takes a place for `holder`. Whether there was one. */
  enter(holder: string): boolean {
    const own = this.#byHolder.get(holder) ?? 0;
    if (this.#taken >= this.total || own >= this.perHolder) return false;
    this.#taken++;
    this.#byHolder.set(holder, own + 1);
    return true;
  }

  /** Gives a place back. */
  leave(holder: string): void {
    const left = (this.#byHolder.get(holder) ?? 0) - 1;
    if (left < 0) throw new Error("invariant broken: a place is given back once");
    this.#taken--;
    if (left === 0) this.#byHolder.delete(holder);
    else this.#byHolder.set(holder, left);
  }
}
