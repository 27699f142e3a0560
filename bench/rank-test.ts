/**
 * Tests whether two small samples differ beyond the noise: the exact Mann-Whitney test, which only uses the order of the
 * values. A bench has few rounds and no normal distribution, so nothing is assumed about it.
 */
import { median } from "./statistics.js";

/**
 * Returns the probability of an order at least as uneven, in either direction, if nothing had changed. Ties share their
 * ranks. With three samples each it is at least 0.1, with four each 0.03, with five each 0.008.
 */
export function chanceOf(before: readonly number[], after: readonly number[]): number {
  const ranks = doubledRanks([...before, ...after]);
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const ways = waysToSum(ranks, after.length, total);
  const found = ranks.slice(before.length).reduce((sum, rank) => sum + rank, 0);
  const expected = (total * after.length) / ranks.length;
  const uneven = Math.abs(found - expected) - 1e-9;
  const [all, extreme] = ways.reduce<[number, number]>(
    ([sum, far], count, rankSum) => [sum + count, Math.abs(rankSum - expected) >= uneven ? far + count : far],
    [0, 0],
  );
  return extreme / all;
}

/** Returns the factor between the two: the median of the quotients of all pairs (Hodges-Lehmann estimate). */
export function factorBetween(before: readonly number[], after: readonly number[]): number {
  return median(after.flatMap((late) => before.map((early) => late / early)));
}

/** Twice the rank, so that the mean rank of a tie is an integer. */
function doubledRanks(values: readonly number[]): readonly number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return 2 * below + equal + 1;
  });
}

/** In how many ways this many of the ranks have each sum. */
function waysToSum(ranks: readonly number[], picks: number, total: number): readonly number[] {
  const ways = Array.from({ length: picks + 1 }, () => new Array<number>(total + 1).fill(0));
  (ways[0] as number[])[0] = 1;
  for (const rank of ranks) {
    for (let picked = picks; picked > 0; picked--) {
      const [fewer, more] = [ways[picked - 1] as number[], ways[picked] as number[]];
      for (let sum = total; sum >= rank; sum--) more[sum] = (more[sum] ?? 0) + (fewer[sum - rank] ?? 0);
    }
  }
  return ways[picks] as number[];
}
