// The layout on disk: objects never share a path or lie inside each other, and nothing leaves the root.

import assert from "node:assert/strict";
import { normalize } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type Digest, parseDigest } from "../../src/domain/digest.js";
import { parseTag, type Tag } from "../../src/domain/reference.js";
import { parseRepositoryName, type RepositoryName } from "../../src/domain/repository-name.js";
import { isSessionId } from "../../src/domain/session-id.js";
import { componentOf, Layout, namespaceOf } from "../../src/storage/filesystem/layout.js";
import { digests, names, tags } from "./arbitraries.js";

const root = "/store";
const layout = new Layout(root);

interface Key {
  readonly name: RepositoryName;
  readonly digest: Digest;
  readonly tag: Tag;
}

const keys: fc.Arbitrary<Key> = fc
  .tuple(names, fc.constantFrom(`sha256:${"0".repeat(64)}`, `blake3:${"0".repeat(64)}`), tags)
  .map(([name, digest, tag]) => ({
    name: parseRepositoryName(name),
    digest: parseDigest(digest),
    tag: parseTag(tag),
  }));

/** Every object of a key, as `identity → path`. */
function objectsOf({ name, digest, tag }: Key): [identity: string, path: string][] {
  return [
    [`blob ${name} ${digest}`, layout.blob(name, digest)],
    [`manifest ${name} ${digest}`, layout.manifest(name, digest)],
    [`tag ${name} ${tag}`, layout.tag(name, tag)],
    [`referrer ${name} ${digest}`, layout.referrers(name, digest)],
    [`content ${digest}`, layout.content(digest)],
  ];
}

test("different objects never share a path, and none lies inside another", () => {
  fc.assert(
    fc.property(keys, keys, (one, other) => {
      for (const [identity, path] of objectsOf(one)) {
        for (const [otherIdentity, otherPath] of objectsOf(other)) {
          assert.equal(path === otherPath, identity === otherIdentity, `${identity}, ${otherIdentity}`);
          assert.ok(!otherPath.startsWith(`${path}/`), `${otherIdentity} lies inside ${identity}`);
        }
      }
    }),
    { numRuns: 3000 },
  );
});

test("repositories never share a folder, and none lies in another's tags", () => {
  fc.assert(
    fc.property(names, names, (one, other) => {
      const [first, second] = [parseRepositoryName(one), parseRepositoryName(other)];
      assert.equal(namespaceOf(first) === namespaceOf(second), first === second);
      assert.ok(!`${layout.manifests(second)}/`.startsWith(`${layout.tags(first)}/`));
    }),
    { numRuns: 3000 },
  );
});

test("every path lies below the root and is as short as possible", () => {
  fc.assert(
    fc.property(names, digests, tags, (name, digest, tag) => {
      const key = {
        name: parseRepositoryName(name),
        digest: parseDigest(digest),
        tag: parseTag(tag),
      };
      for (const [, path] of objectsOf(key)) {
        assert.equal(normalize(path), path);
        assert.ok(path.startsWith(`${root}/`));
        assert.ok(path.split("/").every((part) => Buffer.byteLength(part) <= 255));
      }
    }),
  );
});

test("a folder name maps back to its component", () => {
  fc.assert(
    fc.property(names, (text) => {
      const name = parseRepositoryName(text);
      assert.equal(namespaceOf(name).split("/").map(componentOf).join("/"), name);
    }),
  );
  for (const folder of ["tags", "_referrers", "_anything"]) assert.equal(componentOf(folder), undefined);
});

test("the layout is the documented one", () => {
  const name = parseRepositoryName("a/b");
  const hex = `ab${"0".repeat(62)}`;
  const digest = parseDigest(`sha256:${hex}`);
  assert.equal(layout.blob(name, digest), `/store/blobs/a/b/sha256:${hex}`);
  assert.equal(layout.manifest(name, digest), `/store/manifests/a/b/sha256:${hex}`);
  assert.equal(layout.tag(name, parseTag("v1")), "/store/manifests/a/b/tags/v1");
  assert.equal(layout.content(digest), `/store/content/sha256/ab/${hex}`);
});

test("a temporary path is unique and not a session's", () => {
  const paths = Array.from({ length: 100 }, () => layout.temporary());
  assert.equal(new Set(paths).size, paths.length);
  for (const path of paths) assert.ok(!isSessionId(path.slice(`${root}/uploads/`.length)));
});
