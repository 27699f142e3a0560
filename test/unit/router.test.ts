// The route table and the router: every valid path matches its row with the right name, and no path causes more than a typed
// error.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Match, Router } from "../../src/http/router.js";
import { routes } from "../../src/http/routes.js";
import { anyText, digests, names, tags } from "./arbitraries.js";

const router = new Router(routes);
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", ""];

function found(match: Match): { row: string; name: string; last: string } {
  assert.equal(match.kind, "found");
  assert.ok(match.kind === "found");
  return { row: match.route.path, ...match.path };
}

/** For each kind of path: the generator of its last part, and its methods. */
const kinds: readonly [path: string, last: fc.Arbitrary<string> | undefined, methods: readonly string[]][] = [
  ["/v2/<name>/blobs/<digest>", digests, ["GET", "HEAD", "DELETE"]],
  ["/v2/<name>/manifests/<reference>", fc.oneof(tags, digests), ["GET", "HEAD", "PUT", "DELETE"]],
  ["/v2/<name>/blobs/uploads/", undefined, ["POST"]],
  ["/v2/<name>/blobs/uploads", undefined, ["POST"]],
  ["/v2/<name>/blobs/uploads/<session>", fc.uuid(), ["GET", "HEAD", "PATCH", "PUT", "DELETE"]],
  ["/v2/<name>/tags/list", undefined, ["GET", "HEAD"]],
  ["/v2/<name>/referrers/<digest>", digests, ["GET", "HEAD"]],
];

for (const [row, lasts, taken] of kinds) {
  test(`${row} yields name and last part for ${taken.join(", ")}, and 405 for other methods`, () => {
    fc.assert(
      fc.property(names, lasts ?? fc.constant(""), fc.constantFrom(...methods), (name, last, method) => {
        const url = row.replace("<name>", name).replace(/<[a-z]+>$/, last);
        const match = router.match(method, url);
        if (taken.includes(method)) return assert.deepEqual(found(match), { row, name, last });
        assert.ok(match.kind === (method === "OPTIONS" ? "options" : "method-not-allowed"), match.kind);
        assert.deepEqual(match.allow.split(", ").sort(), [...taken, "OPTIONS"].sort());
      }),
      { numRuns: 300 },
    );
  });
}

test("any path gives a match, and a name only from its own text", () => {
  const segment = fc.oneof(
    anyText,
    fc.constantFrom("v2", "blobs", "uploads", "manifests", "tags", "list", "referrers", "", "%2F", "..", "%"),
  );
  const paths = fc.array(segment, { maxLength: 8 }).map((parts) => `/${parts.join("/")}`);
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        paths,
        paths.map((path) => `/v2${path}`),
      ),
      (url) => {
        for (const method of methods) {
          const match = router.match(method, url);
          if (match.kind !== "found" || match.path.name === "") continue;
          assert.ok(url.startsWith(`/v2/${match.path.name}/`));
        }
      },
    ),
    { numRuns: 3000 },
  );
});

for (const url of ["", "//", "/v1/", "/v2/tags/list", "/v2//tags/list", "/v2/a", "/v2/a/", "/v2/a/blobs/"]) {
  test(`"${url}" is not a path of the API`, () => {
    assert.deepEqual(router.match("GET", url), { kind: "unknown" });
  });
}
