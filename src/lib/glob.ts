/**
 * Matches text against patterns (`glob-syntax.ts`) in time proportional to the length of the text times that of the pattern.
 * A backtracking matcher, such as a regular expression, takes exponential time for some patterns: five stars and a name of
 * 254 characters blocked the event loop for 4 s.
 */
import {
  anyCharacter,
  anyCharacters,
  anyComponents,
  type Component,
  type Path,
  parseGlob,
  type Token,
} from "./glob-syntax.js";

export type Matcher = (text: string) => boolean;

/**
 * Compiles a pattern. `*` and `?` match characters within a component, `**` any number of components. A pattern with
 * wildcards never matches a text with a component that is empty, `.` or `..`. Throws `GlobError`.
 */
export function compileGlob(pattern: string): Matcher {
  return anyOf(parseGlob(pattern).map(matcherOf));
}

/** Returns whether any of the matchers matches. */
export function anyOf(matchers: readonly Matcher[]): Matcher {
  const [first, ...others] = matchers;
  if (first === undefined) return () => false;
  if (others.length === 0) return first;
  return (text) => matchers.some((matches) => matches(text));
}

/** Matches text that wildcards may match: no component is empty, `.` or `..`. */
const irregular = /(?:^|\/)\.{0,2}(?:\/|$)/;

function matcherOf(path: Path): Matcher {
  const literal = literalOf(path);
  if (literal !== undefined) return (text) => text === literal;
  // Most policies consist of `**` and `team/**`, which can be matched without splitting the text.
  if (path.length === 1 && path[0] === anyComponents) return (text) => !irregular.test(text);
  const folder = path.at(-1) === anyComponents ? literalOf(path.slice(0, -1)) : undefined;
  if (folder !== undefined) {
    const inside = `${folder}/`;
    return (text) => (text === folder || text.startsWith(inside)) && !irregular.test(text);
  }
  return (text) => !irregular.test(text) && matchesPath(path, text);
}

/** Returns the only text that a path without wildcards matches. */
function literalOf(path: Path): string | undefined {
  const components: string[] = [];
  for (const component of path) {
    if (component === anyComponents) return undefined;
    const codes = component.filter((token) => typeof token === "number" && token >= 0) as number[];
    if (codes.length < component.length) return undefined;
    components.push(String.fromCharCode(...codes));
  }
  return components.join("/");
}

/**
 * Compares components from left to right. On a mismatch the last `**` takes one component more. Earlier ones need not be
 * reconsidered: everything between them has already matched at the earliest possible place.
 */
function matchesPath(path: Path, text: string): boolean {
  const end = text.length + 1;
  let component = 0;
  let start = 0;
  let afterAny = -1;
  let retryStart = 0;
  while (start < end) {
    const expected = path[component];
    if (expected === anyComponents) {
      afterAny = ++component;
      retryStart = start;
      continue;
    }
    const stop = endOfComponent(text, start);
    if (expected !== undefined && matchesComponent(expected, text, start, stop)) {
      component++;
      start = stop + 1;
    } else if (afterAny === -1) return false;
    else {
      component = afterAny;
      retryStart = endOfComponent(text, retryStart) + 1;
      start = retryStart;
    }
  }
  while (path[component] === anyComponents) component++;
  return component === path.length;
}

function endOfComponent(text: string, start: number): number {
  const stop = text.indexOf("/", start);
  return stop === -1 ? text.length : stop;
}

/** Like `matchesPath`, within one component: with `*` and characters. */
function matchesComponent(
  tokens: Exclude<Component, typeof anyComponents>,
  text: string,
  start: number,
  stop: number,
): boolean {
  let token = 0;
  let at = start;
  let afterStar = -1;
  let retryAt = 0;
  while (at < stop) {
    const expected = tokens[token];
    if (expected === anyCharacters) {
      afterStar = ++token;
      retryAt = at;
    } else if (expected !== undefined && matchesCharacter(expected, text.charCodeAt(at))) {
      token++;
      at++;
    } else if (afterStar === -1) return false;
    else {
      token = afterStar;
      at = ++retryAt;
    }
  }
  while (tokens[token] === anyCharacters) token++;
  return token === tokens.length;
}

function matchesCharacter(token: Token, code: number): boolean {
  if (typeof token === "number") return token === code || token === anyCharacter;
  return token.ranges.some(([first, last]) => first <= code && code <= last) !== token.negated;
}
