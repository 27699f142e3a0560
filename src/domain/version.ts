/**
 * Tags as versions, for sorting. By the precedence of Semantic Versioning 2.0.0 (section 11), and more lenient about what is a
 * version: tags have a `v` before it, or only one or two numbers, and Helm writes `_` for the `+`, which no tag has.
 */
import type { Tag } from "./reference.js";

export interface Version {
  /** Without leading zeros, and without zeros at the end. */
  readonly numbers: readonly string[];
  /** The identifiers of a pre-release; empty for a release. */
  readonly preRelease: readonly string[];
}

/** Numbers, perhaps a pre-release, perhaps build metadata. Each separator begins one part, so nothing matches in two ways. */
const grammar = /^(v?)(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:_[0-9A-Za-z._-]*)?$/;

/** `18` and `2026` are versions, but `1234567` is rather a part of a hash, and `20261129` a date. */
const singleNumberDigitsMax = 4;

/** Returns `undefined` if the tag is no version. */
export function parseVersion(tag: Tag): Version | undefined {
  const [, v, numbers, preRelease] = grammar.exec(tag) ?? [];
  if (numbers === undefined) return undefined;
  if (v === "" && !numbers.includes(".") && numbers.length > singleNumberDigitsMax) return undefined;
  return {
    numbers: numbers
      .replace(/(?:\.0+)+$/, "")
      .split(".")
      .map(withoutZeros),
    preRelease: preRelease === undefined ? [] : preRelease.split("."),
  };
}

function withoutZeros(number: string): string {
  return number.replace(/^0+(?=\d)/, "");
}

/** Orders by precedence, the highest version first; then tags that are no versions. Zero for equal precedence. */
export function compareVersions(a: Version | undefined, b: Version | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  for (let place = 0; place < Math.max(a.numbers.length, b.numbers.length); place++) {
    const order = compareNumbers(b.numbers[place] ?? "0", a.numbers[place] ?? "0");
    if (order !== 0) return order;
  }
  return comparePreReleases(b.preRelease, a.preRelease);
}

/** Any number of digits: some tags have the time in them. */
function compareNumbers(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : Number(a > b));
}

/** "A pre-release version has lower precedence than a normal version." */
function comparePreReleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (let place = 0; place < Math.min(a.length, b.length); place++) {
    const order = compareIdentifiers(a[place] ?? "", b[place] ?? "");
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** "Numeric identifiers always have lower precedence than non-numeric identifiers." */
function compareIdentifiers(a: string, b: string): number {
  const [isNumber, isOtherNumber] = [a, b].map((text) => /^\d+$/.test(text));
  if (isNumber && isOtherNumber) return compareNumbers(withoutZeros(a), withoutZeros(b));
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  return a < b ? -1 : Number(a > b);
}
