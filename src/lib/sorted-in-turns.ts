/** Sorts long lists in several turns of the event loop: sorting 100,000 objects takes 100 ms. */
import { setImmediate } from "node:timers/promises";

/** Sorted, or merged, in one turn: about 1 ms. */
const itemsPerTurn = 2_000;

/** Resolves with a sorted copy. */
export async function sortedInTurns<T>(items: readonly T[], compare: (a: T, b: T) => number): Promise<T[]> {
  let runs: T[][] = [];
  for (let start = 0; start < items.length; start += itemsPerTurn) {
    runs.push(items.slice(start, start + itemsPerTurn).sort(compare));
    await setImmediate();
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let index = 0; index < runs.length; index += 2)
      merged.push(await merge(runs[index] ?? [], runs[index + 1] ?? [], compare));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number): Promise<T[]> {
  const merged: T[] = [];
  for (let [left, right] = [0, 0]; ; ) {
    const [first, second] = [a[left], b[right]];
    if (first === undefined || second === undefined) return merged.concat(a.slice(left), b.slice(right));
    if (compare(first, second) <= 0) {
      merged.push(first);
      left++;
    } else {
      merged.push(second);
      right++;
    }
    if (merged.length % itemsPerTurn === 0) await setImmediate();
  }
}
