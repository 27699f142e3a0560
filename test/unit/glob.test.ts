// Patterns match like picomatch's for the supported syntax, in bounded time, and unsupported syntax is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import picomatch from "picomatch";
import { nameMatcher, patternFault } from "../../src/domain/patterns.js";
import { names } from "./arbitraries.js";

for (const [pattern, matching, others] of [
  ["**", ["a", "a/b", "a/b/c"], [""]],
  ["*", ["a", "a.b"], ["a/b", ""]],
  ["team/*", ["team/app"], ["team", "team/app/web", "teams/app"]],
  ["team/**", ["team", "team/app", "team/app/web"], ["teams", "teams/app"]],
  ["**/cache", ["cache", "a/cache", "a/b/cache"], ["a/cached", "cache/a"]],
  ["a/**/z", ["a/z", "a/b/z", "a/b/c/z", "a/z/z"], ["a/b", "az", "a/zz"]],
  ["**/a/*b*/**/c", ["a/b/c", "x/a/xbx/c", "a/a/b/y/c", "a/b/x/a/b/c"], ["a/c", "a/b/d"]],
  ["release-**", ["release-1"], ["release-1/app"]],
  ["v?", ["v1"], ["v", "v12", "v/"]],
  ["v[0-9]", ["v7"], ["va", "v10"]],
  ["v[!0-9]", ["va"], ["v7", "v/"]],
  ["[a\\]-]", ["a", "]", "-"], ["b"]],
  ["{team,tools}/**", ["team/app", "tools"], ["other"]],
  ["{a,b/{c,d}}-{1,2}", ["a-1", "b/c-2", "b/d-1"], ["b-1", "a-3"]],
  ["a{,-b}", ["a", "a-b"], ["a-"]],
  ["\\*\\{a\\}", ["*{a}"], ["x{a}"]],
  ["refs/heads/*", ["refs/heads/main"], ["refs/heads/a/b", "refs/heads/.."]],
  ["a/**", ["a/b"], ["a/../b", "a//b", "a/", "a/./b"]],
  ["https://a/..", ["https://a/.."], ["https://a/b"]],
  ["/**", [], ["", "a", "a/b", "/a"]],
] as const)
  test(`${pattern} matches as documented`, () => {
    const matches = nameMatcher([pattern]);
    for (const text of matching) assert.ok(matches(text), text);
    for (const text of others) assert.ok(!matches(text), text);
  });

for (const [pattern, said] of [
  ["", /one character or more/],
  ["*(*a)b", /write \{a,b\} for alternatives/],
  ["@(a|b)", /write \{a,b\} for alternatives/],
  ["a|b", /\| has no meaning/],
  ["!team/**", /cannot be negated/],
  ["{1..3}", /a range is written as \[1-3\]/],
  ["{a", /has no \} behind it/],
  ["a}", /has no \{ before it/],
  ["[a", /has no \] behind it/],
  ["a]", /has no \[ before it/],
  ["[]", /needs a character/],
  ["[z-a]", /from the lower to the higher/],
  ["[a/b]", /\/ cannot stand within/],
  ["[[:alpha:]]", /\[ cannot stand within/],
  ["a\\", /no character behind it/],
  ["a".repeat(513), /at most 512/],
  ["{a,b}".repeat(100), /too many alternatives/],
  [`${"{".repeat(250)}a${",b}".repeat(80)}`, /has no \} behind it/],
] as const)
  test(`${pattern.slice(0, 20)} is refused with a suggestion`, () => {
    const begun = performance.now();
    assert.match(patternFault(pattern) ?? "", said);
    // Takes less than a millisecond; a backtracking matcher would not finish.
    assert.ok(performance.now() - begun < 2_000);
  });

const alphabet = "ab.-1";
const component = fc
  .string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength: 5 })
  .filter((text) => !/^\.{1,2}$/.test(text));
const paths = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));

const patternPart = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...alphabet) },
  { weight: 2, arbitrary: fc.constantFrom("*", "?") },
  fc.constantFrom("[ab]", "[a-b1]", "[^a]", "{a,b}", "{-,1,ab}"),
);
/** Without two adjacent stars, which have a meaning only as a whole component; picomatch drops a leading `./`. */
const patternComponent = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .array(patternPart, { minLength: 1, maxLength: 5 })
      .map((parts) => parts.join("").replace(/\*{2,}/g, "*"))
      .filter((text) => !/^\.{1,2}$/.test(text)),
  },
  fc.constant("**"),
);
const patterns = fc
  .array(patternComponent, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join("/"))
  .filter((pattern) => patternFault(pattern) === undefined);

/** In picomatch `a/**` matches `a`, but `a*\/**` does not: here both do. */
function isMatchOfPicomatch(pattern: string, text: string): boolean {
  return (
    picomatch(pattern, { dot: true, nonegate: true })(text) ||
    (pattern.endsWith("/**") && isMatchOfPicomatch(pattern.slice(0, -3), text))
  );
}

test("the supported syntax means the same as in picomatch", () => {
  let matched = 0;
  fc.assert(
    fc.property(patterns, paths, (pattern, text) => {
      // In picomatch `*.*` does not match `a.`: it treats a dot at the end as part of a relative path.
      fc.pre(!/\.(?:\/|$)/.test(text));
      const expected = isMatchOfPicomatch(pattern, text);
      if (expected) matched++;
      assert.equal(nameMatcher([pattern])(text), expected, `${pattern} and ${text}`);
    }),
    { numRuns: 20_000 },
  );
  assert.ok(matched > 1000, `only ${matched} matched`);
});

test("a pattern without wildcards matches only itself", () => {
  fc.assert(
    fc.property(names, names, (name, other) => {
      assert.ok(nameMatcher([name])(name));
      assert.equal(nameMatcher([name])(other), name === other);
    }),
  );
});

/** The fastest of several attempts, because the machine has other work. */
function millisecondsOf(pattern: string, text: string): number {
  const matches = nameMatcher([pattern]);
  const times = Array.from({ length: 20 }, () => {
    const begun = performance.now();
    assert.ok(!matches(text));
    return performance.now() - begun;
  });
  return Math.min(...times);
}

for (const [what, pattern, text] of [
  ["five stars and a name of 254 characters", "a*a*a*a*a*b", "a".repeat(254)],
  ["twenty stars", `${"*a".repeat(20)}*b`, "a".repeat(255)],
  ["twenty double stars", `${"**/a*a/".repeat(20)}b`, `${"aa/".repeat(84)}aa`],
  ["both kinds of stars", `${"**/*a*a*/".repeat(20)}b`, `${"a/aaa/".repeat(42)}a`],
  ["classes and alternatives", `{${"*[ab]".repeat(10)},${"*?".repeat(10)}}*c`, "ab".repeat(127)],
] as const)
  test(`${what} take less than a millisecond`, () => {
    const milliseconds = millisecondsOf(pattern, text);
    assert.ok(milliseconds < 1, `${milliseconds} ms`);
  });
