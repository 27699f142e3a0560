/** Patterns of repositories' names and of other text, as settings, policies and keys have them. */
import { anyOf, compileGlob, type Matcher } from "../lib/glob.js";
import { GlobError, parseGlob } from "../lib/glob-syntax.js";

/** Longer than any name, tag or subject of a token that a pattern is for. */
const patternCharactersMax = 512;

/** What is wrong with a pattern, for who has written it; `undefined` for one that can be used. */
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
 * Whether a repository's name, a tag or a claim matches one of the patterns. To be compiled once, where they are read.
 * Throws `GlobError`: `patternFault` tells before.
 */
export function nameMatcher(patterns: readonly string[]): Matcher {
  return anyOf(patterns.map(compileGlob));
}
