/** Counts concurrent operations against two limits: in total and per holder. The latter may hold over several processes. */
import { Counts } from "./counts.js";
import type { SharedLevels, SharedLimits } from "./shared-limits.js";

export class Places {
  #taken = 0;
  readonly #byHolder = new Counts<string>();
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
    return this.#byHolder.of(holder);
  }

  /** Takes a place for `holder` and returns true, or returns false if there is none. */
  enter(holder: string): boolean {
    const all = this.takenBy(holder) + (this.#shared?.elsewhere(holder) ?? 0);
    if (this.#taken >= this.total || all >= this.perHolder) return false;
    this.#taken++;
    this.#byHolder.add(holder);
    this.#shared?.changed(holder);
    return true;
  }

  /** Returns a place of `holder`. */
  leave(holder: string): void {
    this.#byHolder.remove(holder);
    this.#taken--;
    this.#shared?.changed(holder);
  }
}
