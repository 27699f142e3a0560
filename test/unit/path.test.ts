// Percent-encoding in paths: decoded once, and never to characters that could harm a name or a log.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodePath } from "../../src/http/path.js";
import { Router } from "../../src/http/router.js";
import { routes } from "../../src/http/routes.js";
import { anyText, digests, kindOf, names } from "./arbitraries.js";

const router = new Router(routes);

test("a path is the same with any of its characters encoded", () => {
  fc.assert(
    fc.property(names, digests, fc.infiniteStream(fc.nat(3)), (name, digest, dice) => {
      const path = `/v2/${name}/blobs/${digest}`;
      const encoded = Array.from(path, (char, at) => {
        const { value } = dice.next();
        const hex = char.charCodeAt(0).toString(16).padStart(2, "0");
        return at === 0 || value > 1 ? char : `%${value === 0 ? hex : hex.toUpperCase()}`;
      }).join("");
      assert.equal(decodePath(encoded), path);
      assert.deepEqual(router.match("GET", decodePath(encoded)), router.match("GET", path));
    }),
    { numRuns: 500 },
  );
});

const kept = [
  "%252F",
  "a%2500",
  "%00",
  "%0a",
  "%0D%0A",
  "%1b[31m",
  "%7f",
  "%20",
  "%C3%A9",
  "%E2%80%AE",
  "%C2%9B",
  "%22",
  "%5C",
  "%3Fn=1",
  "%23x",
  "%25",
];
for (const text of kept) {
  test(`"${text}" is unchanged`, () => {
    const path = `/v2/a%2Fb${text}/tags/list`;
    assert.equal(decodePath(path), path);
  });
}

for (const text of ["%", "%4", "%zz", "%C3", "%ff%fe", "%c0%ae", "%ed%a0%80"]) {
  test(`"${text}" is invalid percent-encoded UTF-8`, () => {
    assert.equal(
      kindOf(() => decodePath(`/v2/a${text}/tags/list`)),
      "request-invalid",
    );
  });
}

test("any path is unchanged or decoded, and decoding it again changes nothing", () => {
  const pieces = fc.constantFrom(
    "%2F",
    "%2f",
    "%25",
    "%2e",
    "..",
    "%00",
    "/",
    "v2",
    "a",
    "%C3%A9",
    "%61",
    "%zz",
    "?",
  );
  const paths = fc.oneof(
    anyText,
    fc.array(pieces, { maxLength: 12 }).map((parts) => `/${parts.join("")}`),
  );
  fc.assert(
    fc.property(paths, (path) => {
      const kind = kindOf(() => decodePath(path));
      if (kind !== "none") return assert.equal(kind, "request-invalid");
      const decoded = decodePath(path);
      if (decoded === path) return;
      assert.match(decoded, /^[\x21-\x24\x26-\x7e]*$/);
      assert.equal(decodePath(decoded), decoded);
    }),
    { numRuns: 3000 },
  );
});
