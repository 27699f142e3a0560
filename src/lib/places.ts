/** Counts concurrent operations against two limits: in total and per holder. The latter may hold over several processes. */
import type { SharedLevels, SharedLimits } from "./shared-limits.js";

export class Places {
  #taken = 0;
  readonly #byHolder = new Map<string, number>();
  readonly #shared: SharedLevels | undefined;

  constructor(
    readonly total: number,
    readonly perHolder: number,
    /** Where other processes count, and the name of this limit there. */
    shared?: { readonly limits: SharedLimits; readonly name: string },
  ) {
    this.#shared = shared?.limits.levels(shared.name, perHolder, (holder) => this.takenBy(holder));
  }

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
    const all = own + (this.#shared?.elsewhere(holder) ?? 0);
    if (this.#taken >= this.total || all >= this.perHolder) return false;
    this.#taken++;
    this.#byHolder.set(holder, own + 1);
    this.#shared?.changed(holder);
    return true;
  }

  /** Returns a place of `holder`. */
  leave(holder: string): void {
    const left = (this.#byHolder.get(holder) ?? 0) - 1;
    if (left < 0) throw new Error("invariant broken: a place is given back once");
    this.#taken--;
    if (left === 0) this.#byHolder.delete(holder);
    else this.#byHolder.set(holder, left);
    this.#shared?.changed(holder);
  }
}
