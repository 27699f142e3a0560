/**
 * Finds repositories that were pushed before their names belonged to the default upstream: nobody can pull them any more.
 * Takes bounded time, so the numbers of a very large store are lower bounds.
 */
import { setImmediate } from "node:timers/promises";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Storage } from "../storage/storage.js";
import type { NamedUpstream, UpstreamNames } from "./names.js";

export interface HiddenNames {
  readonly count: number;
  /** Some of them. */
  readonly examples: readonly RepositoryName[];
  /** Some patterns for `proxy.local` that serve such repositories again. */
  readonly patterns: readonly string[];
  /** Whether all repositories were looked at. */
  readonly isComplete: boolean;
}

const examplesMax = 5;
const patternsMax = 10;
const namesPerTurn = 500;

/** Rejects if the storage fails. */
export async function findHiddenNames(
  { repositories }: Pick<Storage, "repositories">,
  names: UpstreamNames<NamedUpstream>,
  signal: AbortSignal,
): Promise<HiddenNames> {
  const examples: RepositoryName[] = [];
  const patterns = new Set<string>();
  let [count, seen, isComplete] = [0, 0, true];
  for await (const name of repositories.list()) {
    if (signal.aborted) {
      isComplete = false;
      break;
    }
    // The event loop belongs to clients.
    if (++seen % namesPerTurn === 0) await setImmediate();
    if (!names.hides(name)) continue;
    count++;
    if (examples.length < examplesMax) examples.push(name);
    if (patterns.size < patternsMax) patterns.add(patternOf(name));
  }
  return { count, examples, patterns: [...patterns], isComplete };
}

/** `team/**` for a repository of a team. Docker Hub's own images are in `library`, so that is never proposed as a whole. */
function patternOf(name: RepositoryName): string {
  const slash = name.indexOf("/");
  const first = name.slice(0, slash);
  return slash === -1 || first === "library" ? name : `${first}/**`;
}
