/**
 * Parses patterns: `*`, `**`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, and `\` before a literal character. Extended globs, negation
 * and numeric ranges, which other tools support, are refused, so that nobody relies on a meaning that they do not have here.
 */

/** An invalid pattern. The message says why and what to write instead; it does not repeat the pattern. */
export class GlobError extends Error {
  override readonly name = "GlobError";
}

/** `[a-z]`: pairs of first and last character. No class matches a slash. */
export interface CharacterClass {
  readonly negated: boolean;
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** An element of a component: a UTF-16 code unit, a wildcard or a class. */
export type Token = number | typeof anyCharacter | typeof anyCharacters | CharacterClass;

/** `?`; no code unit is negative. */
export const anyCharacter = -1;
/** `*` */
export const anyCharacters = -2;
const slash = 0x2f;

/** The component `**`: any number of components, including none. */
export const anyComponents = Symbol("**");

export type Component = readonly Token[] | typeof anyComponents;

/** The components of a path, in order. */
export type Path = readonly Component[];

/** Bounds the total number of elements after brace expansion, to which matching time is proportional. */
const elementsMax = 4096;

type Node = Token | readonly (readonly Node[])[];

/** Returns the alternatives of a pattern, of which one has to match. Throws `GlobError`. */
export function parseGlob(pattern: string): Path[] {
  if (pattern === "") throw new GlobError("a pattern needs one character or more");
  if (pattern.startsWith("!"))
    throw new GlobError(
      "a pattern cannot be negated with !: list the names that you mean, or write \\! for the character",
    );
  const nodes = new Parser(pattern).parse();
  if (sizeOf(nodes).elements > elementsMax)
    throw new GlobError("its {} stand for too many alternatives: write several patterns");
  return expand(nodes).map(componentsOf);
}

class Parser {
  #at = 0;

  constructor(readonly pattern: string) {}

  parse(): readonly Node[] {
    const nodes = this.#sequence();
    if (this.#at < this.pattern.length)
      throw new GlobError("a } has no { before it: write \\} for the character");
    return nodes;
  }

  /** Parses up to the end, a `}`, or a comma within braces, which it does not consume. */
  #sequence(inBraces = false): Node[] {
    const nodes: Node[] = [];
    for (; this.#at < this.pattern.length; this.#at++) {
      const character = this.pattern.charAt(this.#at);
      if (character === "}" || (inBraces && character === ",")) break;
      nodes.push(this.#node(character));
    }
    return nodes;
  }

  /** Parses the node that begins here. Stops at its last character. */
  #node(character: string): Node {
    switch (character) {
      case "*":
        return anyCharacters;
      case "?":
        return anyCharacter;
      case "\\":
        return this.#escaped();
      case "[":
        return this.#class();
      case "{":
        return this.#alternatives();
      case "]":
        throw new GlobError("a ] has no [ before it: write \\] for the character");
      case "(":
      case ")":
      case "|":
        throw new GlobError(
          `${character} has no meaning in a pattern: write {a,b} for alternatives, or \\${character} for the character`,
        );
      default:
        return character.charCodeAt(0);
    }
  }

  #escaped(): number {
    this.#at++;
    if (this.#at >= this.pattern.length) throw new GlobError("a \\ has no character behind it");
    return this.pattern.charCodeAt(this.#at);
  }

  #alternatives(): Node {
    const alternatives: (readonly Node[])[] = [];
    do {
      this.#at++;
      alternatives.push(this.#sequence(true));
    } while (this.pattern[this.#at] === ",");
    if (this.pattern[this.#at] !== "}")
      throw new GlobError("a { has no } behind it: write \\{ for the character");
    if (alternatives.length < 2)
      throw new GlobError("{} needs two alternatives or more, such as {a,b}; a range is written as [1-3]");
    return alternatives;
  }

  #class(): CharacterClass {
    const { pattern } = this;
    const ranges: [number, number][] = [];
    this.#at++;
    const negated = pattern[this.#at] === "!" || pattern[this.#at] === "^";
    if (negated) this.#at++;
    for (; pattern[this.#at] !== "]"; this.#at++) {
      const first = this.#ofClass();
      if (pattern[this.#at + 1] !== "-" || pattern[this.#at + 2] === "]") {
        ranges.push([first, first]);
        continue;
      }
      this.#at += 2;
      const last = this.#ofClass();
      if (last < first) throw new GlobError("a range within [] goes from the lower to the higher character");
      ranges.push([first, last]);
    }
    if (ranges.length === 0) throw new GlobError("[] needs a character or more");
    return { negated, ranges };
  }

  #ofClass(): number {
    const character = this.pattern[this.#at];
    if (character === undefined) throw new GlobError("a [ has no ] behind it: write \\[ for the character");
    if (character === "[" || character === "/")
      throw new GlobError(`${character} cannot stand within []${character === "[" ? ": write \\[" : ""}`);
    return character === "\\" ? this.#escaped() : character.charCodeAt(0);
  }
}

/** Returns the number of paths after expansion and the sum of their elements, without expanding them. */
function sizeOf(nodes: readonly Node[]): { readonly paths: number; readonly elements: number } {
  let paths = 1;
  let elements = 1;
  for (const node of nodes) {
    if (!isAlternatives(node)) {
      elements += paths;
      continue;
    }
    const sizes = node.map(sizeOf);
    const ofNode = sizes.reduce((sum, size) => sum + size.paths, 0);
    elements = elements * ofNode + paths * sizes.reduce((sum, size) => sum + size.elements, 0);
    paths *= ofNode;
  }
  return { paths, elements };
}

function isAlternatives(node: Node): node is readonly (readonly Node[])[] {
  return Array.isArray(node);
}

function expand(nodes: readonly Node[]): Token[][] {
  let paths: Token[][] = [[]];
  for (const node of nodes) {
    const ways = isAlternatives(node) ? node.flatMap(expand) : [[node]];
    paths = paths.flatMap((path) => ways.map((way) => [...path, ...way]));
  }
  return paths;
}

function componentsOf(tokens: readonly Token[]): Path {
  const components: Token[][] = [[]];
  for (const token of tokens) {
    if (token === slash) components.push([]);
    else components.at(-1)?.push(token);
  }
  return components.map((component) =>
    component.length === 2 && component.every((token) => token === anyCharacters)
      ? anyComponents
      : component.filter((token, place) => token !== anyCharacters || component[place - 1] !== anyCharacters),
  );
}
