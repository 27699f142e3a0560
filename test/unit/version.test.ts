// Versions in tags: which tags are versions, and their order.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseTag, type Tag } from "../../src/domain/reference.js";
import { compareVersions, parseVersion } from "../../src/domain/version.js";
import { tags } from "./arbitraries.js";

function compare(a: string, b: string): number {
  return Math.sign(compareVersions(parseVersion(parseTag(a)), parseVersion(parseTag(b))));
}

/** From the highest precedence to the lowest; those of one list are equal. */
const descending: readonly (readonly string[])[] = [
  ["v10.0.0"],
  ["2.0.0", "2", "2.0", "v2", "2.0.0_build.5", "02.0"],
  ["1.2.3.4"],
  ["1.2.3", "v1.2.3"],
  ["1.2.3-rc.10"],
  ["1.2.3-rc.2"],
  ["1.2.3-beta.11"],
  ["1.2.3-beta"],
  ["1.2.3-alpha.beta"],
  ["1.2.3-alpha.1", "1.2.3-alpha.01"],
  ["1.2.3-alpha"],
  ["1.2.3-9"],
  ["1.2", "v1.2.0"],
  ["0.20261129120000123456"],
  ["0.20261129120000123455"],
  ["latest", "main", "sha-1234", "1234567", "3f2a1b0", "20261129", "v1x", "1.2-", "v", "1..2"],
];

for (const [place, equals] of descending.entries()) {
  test(`versions: ${equals.join(", ")}`, () => {
    for (const tag of equals) {
      for (const other of equals) assert.equal(compare(tag, other), 0, `${tag} and ${other}`);
      for (const lower of descending.slice(place + 1).flat()) {
        assert.equal(compare(tag, lower), -1, `${tag} before ${lower}`);
        assert.equal(compare(lower, tag), 1, `${lower} after ${tag}`);
      }
    }
  });
}

const versionTags: fc.Arbitrary<Tag> = fc.oneof(
  tags.map(parseTag),
  fc
    .tuple(
      fc.constantFrom("", "v"),
      fc.array(fc.nat(12), { minLength: 1, maxLength: 4 }),
      fc.constantFrom("", "-rc", "-rc.1", "-1", "-a.b", "_x"),
    )
    .map(([v, numbers, rest]) => parseTag(`${v}${numbers.join(".")}${rest}`)),
);

test("the order of versions is total", () => {
  fc.assert(
    fc.property(versionTags, versionTags, versionTags, (a, b, c) => {
      assert.equal(compare(a, b) + compare(b, a), 0);
      if (compare(a, b) <= 0 && compare(b, c) <= 0) assert.ok(compare(a, c) <= 0);
    }),
  );
});
