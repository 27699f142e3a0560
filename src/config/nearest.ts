/** Suggests a known name for a misspelled one. */
import { distance } from "fastest-levenshtein";

/** Returns `undefined` if no name is close: a wild guess misleads. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  // Two typing errors, or one in four characters.
  let bestDistance = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of known) {
    const away = distance(name, candidate);
    if (away >= bestDistance) continue;
    best = candidate;
    bestDistance = away;
  }
  return best;
}
