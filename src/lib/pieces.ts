/** Long work of one client, divided into pieces of a few milliseconds. Each runs in a turn of the event loop of its own. */
import type { Slices } from "./slices.js";

/** Other requests wait as long as this, and as long as the last step of a piece. */
const pieceMilliseconds = 2;

/** Steps between two looks at the clock, each of which takes 50 ns. */
const stepsPerLook = 64;

export class Pieces {
  #end = 0;
  #steps = 0;

  /** The pieces of all `client`s with the same `slices` take turns. */
  constructor(
    readonly slices: Slices,
    readonly client: string,
    readonly signal: AbortSignal,
  ) {}

  /** Begins the first or the next piece. Rejects with the reason of the signal if that is aborted. */
  async begin(): Promise<void> {
    await this.slices.next(this.client, this.signal);
    this.#end = performance.now() + pieceMilliseconds;
    this.#steps = 0;
  }

  /** Call it after each step, which takes microseconds. Returns whether the piece has lasted long enough. */
  step(): boolean {
    return ++this.#steps % stepsPerLook === 0 && this.isOver;
  }

  get isOver(): boolean {
    return performance.now() >= this.#end;
  }
}

/** Items that are sorted without a pause: a fraction of a millisecond. */
const runLength = 512;

/** Sorts like `toSorted`, in pieces. Sorting 20,000 items by a function takes 10 ms. */
export async function sortedInPieces<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  pieces: Pieces,
): Promise<T[]> {
  let runs: T[][] = [];
  for (let start = 0; start < items.length; start += runLength) {
    if (pieces.isOver) await pieces.begin();
    runs.push(items.slice(start, start + runLength).sort(compare));
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let index = 0; index < runs.length; index += 2)
      merged.push(await mergedInPieces(runs[index] ?? [], runs[index + 1] ?? [], compare, pieces));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function mergedInPieces<T>(
  first: readonly T[],
  second: readonly T[],
  compare: (a: T, b: T) => number,
  pieces: Pieces,
): Promise<T[]> {
  const merged: T[] = [];
  let [i, j] = [0, 0];
  while (i < first.length || j < second.length) {
    if (pieces.step()) await pieces.begin();
    const takesFirst =
      j >= second.length || (i < first.length && compare(first[i] as T, second[j] as T) <= 0);
    merged.push((takesFirst ? first[i++] : second[j++]) as T);
  }
  return merged;
}
