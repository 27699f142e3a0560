/** Suggests a known name for a misspelled one. */
import { distance } from "fastest-levenshtein";

/** Returns `undefined` if no name is close: a wild guess misleads. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  // Two typing errors, or one in four characters, but no more than half of a short name.
  const farthest = Math.min(Math.max(2, Math.floor(name.length / 4)), Math.floor(name.length / 2));
  let bestDistance = farthest + 1;
  for (const candidate of known) {
    const away = distance(name, candidate);
    if (away >= bestDistance) continue;
    best = candidate;
    bestDistance = away;
  }
  return best;
}
