/** Patterns for repository names and other texts in settings, policies and keys. */
import { anyOf, compileGlob, type Matcher } from "../lib/glob.js";
import { GlobError, parseGlob } from "../lib/glob-syntax.js";

/** Longer than any name, tag or token subject that a pattern could match. */
const patternCharactersMax = 512;

/** Returns what is wrong with a pattern, or `undefined` if it is valid. */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length > patternCharactersMax)
    return `a pattern has at most ${patternCharactersMax} characters`;
  try {
    parseGlob(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof GlobError) return error.message;
    throw error;
  }
}

/**
 * Returns a matcher for repository names, tags or claims that match one of the patterns. Compile it once, when they are
 * read. Throws `GlobError`, which a check with `patternFault` avoids.
 */
export function nameMatcher(patterns: readonly string[]): Matcher {
  return anyOf(patterns.map(compileGlob));
}
