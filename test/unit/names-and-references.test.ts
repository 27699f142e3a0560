// Repository names, tags and references against the specification's own regular expressions.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isTag, parseReference, parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { isSessionId } from "../../src/domain/session-id.js";
import { anyText, digests, kindOf, names, tags } from "./arbitraries.js";

// Copied from the specification, "Pulling manifests".
const nameOracle = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagOracle = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Valid text with one character inserted, removed or replaced, to find off-by-one errors. */
function spoiled(valid: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const character = fc.constantFrom(..."a0A._-/:%~ \0\né", "");
  return fc.tuple(valid, fc.nat(), character, fc.boolean()).map(([text, place, put, replace]) => {
    const at = place % (text.length + 1);
    return text.slice(0, at) + put + text.slice(at + (replace ? 1 : 0));
  });
}

// JavaScript's `$` without the m flag matches only at the very end, as required by the specification.
test("a repository name must match the specification's expression, with up to 255 characters", () => {
  fc.assert(
    fc.property(fc.oneof(names, spoiled(names), anyText), (text) => {
      const valid = nameOracle.test(text) && text.length <= 255;
      assert.equal(
        kindOf(() => parseRepositoryName(text)),
        valid ? "none" : "name-invalid",
      );
      if (valid) assert.equal(parseRepositoryName(text), text);
    }),
    { numRuns: 2000 },
  );
});

test("a name of 255 characters is accepted and one of 256 is not", () => {
  assert.equal(parseRepositoryName("a".repeat(255)).length, 255);
  assert.equal(
    kindOf(() => parseRepositoryName("a".repeat(256))),
    "name-invalid",
  );
});

test("a name that causes backtracking in other grammars is parsed at once", () => {
  const started = performance.now();
  for (const text of [`${"a-".repeat(127)}`, `${"a__".repeat(84)}_`, `${"0".repeat(254)}!`]) {
    assert.equal(
      kindOf(() => parseRepositoryName(text)),
      "name-invalid",
    );
  }
  assert.ok(performance.now() - started < 100);
});

test("a tag must match the specification's expression", () => {
  fc.assert(
    fc.property(fc.oneof(tags, spoiled(tags), anyText), (text) => {
      const valid = tagOracle.test(text);
      assert.equal(isTag(text), valid);
      assert.equal(
        kindOf(() => parseTag(text)),
        valid ? "none" : "tag-invalid",
      );
    }),
    { numRuns: 2000 },
  );
});

test("a tag of 128 characters is accepted and one of 129 is not", () => {
  assert.ok(isTag("t".repeat(128)));
  assert.ok(!isTag("t".repeat(129)));
});

test("a reference is either a digest or a tag", () => {
  fc.assert(
    fc.property(digests, tags, (digest, tag) => {
      assert.deepEqual(parseReference(digest), { kind: "digest", digest });
      assert.deepEqual(parseReference(tag), { kind: "tag", tag });
    }),
  );
});

test("text that is neither digest nor tag gives a typed error", () => {
  fc.assert(
    fc.property(fc.oneof(anyText, spoiled(digests), spoiled(tags)), (text) => {
      const kind = kindOf(() => parseReference(text));
      assert.ok(["none", "tag-invalid", "digest-invalid", "digest-unsupported"].includes(kind), kind);
      if (kind === "none") assert.ok(tagOracle.test(text) || text.includes(":"));
    }),
    { numRuns: 1000 },
  );
});

test("only a lower-case UUID is a session ID", () => {
  fc.assert(
    fc.property(fc.uuid(), anyText, (uuid, text) => {
      assert.ok(isSessionId(uuid));
      assert.ok(!isSessionId(text));
      assert.ok(!isSessionId(`${uuid}\n`));
      assert.ok(!isSessionId(`../${uuid}`));
    }),
  );
});
