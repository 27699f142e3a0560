// Keys keep the order of names, name the repository again, and are no beginnings of others.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RepositoryName } from "../../src/domain/repository-name.js";
import { isRepositoryName } from "../../src/domain/repository-name.js";
import { decodeName, encodeName, keys } from "../../src/storage/s3/keys.js";
import { anyText, names } from "./arbitraries.js";

const name = fc
  .oneof(names, fc.constantFrom("a", "a-b", "a.b", "a/b", "a0", "a_b", "a/b-c", "a-b/c"))
  .filter((text): text is RepositoryName => isRepositoryName(text));

test("folders of repositories are in the order of their names", () => {
  fc.assert(
    fc.property(name, name, (one, two) => {
      for (const folder of [keys.manifests, keys.catalogued])
        assert.equal(folder(one) < folder(two), one < two, `${one} ${two}`);
    }),
  );
});

test("a key names its repository, and no other text does", () => {
  fc.assert(fc.property(name, (one) => decodeName(encodeName(one)) === one));
  fc.assert(
    fc.property(fc.oneof(anyText, name.map(String)), (text) => {
      const found = decodeName(text);
      assert.ok(found === undefined || encodeName(found) === text);
    }),
  );
});

test("a repository's name is one component", () => {
  fc.assert(fc.property(name, (one) => !encodeName(one).includes("/")));
});
