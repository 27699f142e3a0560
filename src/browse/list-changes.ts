/** The last changes of a list, for copies of parts of it that catch up when they are used. */

/** Changes kept for copies. A copy that has missed more is made again. */
const changesMax = 10_000;

export interface ListChange<T> {
  readonly item: T;
  /** Whether the item was added; otherwise it was removed. */
  readonly added: boolean;
}

export class ListChanges<T> {
  readonly #changes: ListChange<T>[] = [];
  /** The number of the first one that is kept. */
  #start = 0;

  /** The number of the next change. */
  get end(): number {
    return this.#start + this.#changes.length;
  }

  push(change: ListChange<T>): void {
    this.#changes.push(change);
    if (this.#changes.length < 2 * changesMax) return;
    this.#changes.splice(0, changesMax);
    this.#start += changesMax;
  }

  /** Returns the changes from number `from` on, or `undefined` if some of them are no longer kept. */
  since(from: number): readonly ListChange<T>[] | undefined {
    return from < this.#start ? undefined : this.#changes.slice(from - this.#start);
  }
}
