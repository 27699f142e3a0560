/** The known name that a wrong one was probably meant for. */
import { distance } from "fastest-levenshtein";

/** `undefined` where none is near: a wild guess misleads. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  // Two slips of the finger, or one in four characters.
  let bestDistance = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of known) {
    const away = distance(name, candidate);
    if (away >= bestDistance) continue;
    best = candidate;
    bestDistance = away;
  }
  return best;
}
