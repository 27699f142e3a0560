// Digests: the grammar of image-spec's descriptor.md, narrowed to the supported algorithms.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  algorithmOf,
  algorithms,
  digestOf,
  encodedOf,
  isDigest,
  parseAlgorithm,
  parseDigest,
} from "../../src/domain/digest.js";
import { anyText, digests, kindOf, withLengths } from "./arbitraries.js";

/** The specification's grammar; any other text is malformed regardless of its algorithm. */
const grammar = /^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;
const supported = /^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}|blake3:[a-f0-9]{64})$/;

test("a digest of a supported algorithm is parsed, and can be split again", () => {
  fc.assert(
    fc.property(digests, (text) => {
      const digest = parseDigest(text);
      assert.equal(digest, text);
      assert.ok(isDigest(text));
      assert.equal(digestOf(algorithmOf(digest), encodedOf(digest)), digest);
    }),
  );
});

test("any other text is refused as malformed or unsupported", () => {
  const nearly = withLengths(["sha256", "sha512", "blake3", "sha384", "md5", "sha256+b64"]);
  fc.assert(
    fc.property(fc.oneof(anyText, nearly), (text) => {
      const ours = supported.test(text);
      assert.equal(isDigest(text), ours);
      if (ours) return;
      const known = algorithms.some((algorithm) => text.startsWith(`${algorithm}:`));
      const malformed = known || !grammar.test(text) || text.length > 256;
      assert.equal(
        kindOf(() => parseDigest(text)),
        malformed ? "digest-invalid" : "digest-unsupported",
      );
    }),
    { numRuns: 1000 },
  );
});

const hex = "0123456789abcdef".repeat(8);
const cases: readonly [what: string, text: string, kind: string][] = [
  ["nothing", "", "digest-invalid"],
  ["an algorithm alone", "sha256", "digest-invalid"],
  ["no encoded part", "sha256:", "digest-invalid"],
  ["no algorithm", `:${hex.slice(0, 64)}`, "digest-invalid"],
  ["a digit too short", `sha256:${hex.slice(0, 63)}`, "digest-invalid"],
  ["a digit too long", `sha256:${hex.slice(0, 65)}`, "digest-invalid"],
  ["the other algorithm's length", `sha512:${hex.slice(0, 64)}`, "digest-invalid"],
  ["capitals", `sha256:${hex.slice(0, 64).toUpperCase()}`, "digest-invalid"],
  ["followed by a line break", `sha256:${hex.slice(0, 64)}\n`, "digest-invalid"],
  ["a path", "sha256:../../../../etc/passwd", "digest-invalid"],
  ["with a capitalized algorithm", `SHA256:${hex.slice(0, 64)}`, "digest-invalid"],
  ["md5", `md5:${hex.slice(0, 32)}`, "digest-unsupported"],
  ["sha384", `sha384:${hex.slice(0, 96)}`, "digest-unsupported"],
  ["named like a property of every object", "constructor:abc", "digest-unsupported"],
];
for (const [what, text, kind] of cases) {
  test(`a digest ${what} is refused`, () => {
    assert.equal(
      kindOf(() => parseDigest(text)),
      kind,
    );
    assert.equal(isDigest(text), false);
  });
}

test("an algorithm must be a supported one and not an object's property", () => {
  for (const algorithm of algorithms) assert.equal(parseAlgorithm(algorithm), algorithm);
  for (const text of ["", "sha-256", "SHA256", "md5", "constructor", "__proto__", "toString"]) {
    assert.equal(
      kindOf(() => parseAlgorithm(text)),
      "digest-unsupported",
    );
  }
});
