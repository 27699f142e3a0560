// Levels of the tree of names: every page of every level, as a plain walk over all names finds it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NameList } from "../../src/browse/name-list.js";
import { rankOf } from "../../src/browse/name-search.js";
import { cursorOf, type LevelEntry, levelOf, prefixOf } from "../../src/browse/namespace-level.js";
import { parseRepositoryName, type RepositoryName } from "../../src/domain/repository-name.js";
import { components } from "./arbitraries.js";

/** Few components, so that many names share their beginnings. */
const names = fc.uniqueArray(
  fc
    .array(fc.oneof(components, fc.constantFrom("c", "c-x", "c.d", "c0", "z", "zz")), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) => parseRepositoryName(parts.join("/"))),
  { maxLength: 30 },
);

function listOf(names: Iterable<RepositoryName>): NameList {
  const list = new NameList();
  for (const name of names) list.add(name);
  return list;
}

/** All entries of a level, slowly. */
function expected(names: readonly RepositoryName[], namespace: string): LevelEntry[] {
  const prefix = prefixOf(namespace);
  const entries = new Map<string, LevelEntry>();
  for (const name of names.filter((name) => name.startsWith(prefix))) {
    const [first = "", ...rest] = name.slice(prefix.length).split("/");
    if (rest.length === 0) entries.set(name, { kind: "repository", name });
    else {
      const path = `${prefix}${first}`;
      const repositories = names.filter((other) => other.startsWith(`${path}/`)).length;
      entries.set(`${path}/`, { kind: "namespace", path, repositories });
    }
  }
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

test("pages of any size have each entry of a level once, with the number of repositories below", () => {
  fc.assert(
    fc.property(names, fc.integer({ min: 1, max: 5 }), (some, n) => {
      const list = listOf(some);
      const namespaces = new Set([
        "",
        ...some.flatMap((name) => [name, name.slice(0, name.lastIndexOf("/"))]),
      ]);
      for (const namespace of namespaces) {
        const found: LevelEntry[] = [];
        for (let last: string | undefined = ""; last !== undefined; ) {
          const { entries, more, unknownFrom } = levelOf(list.names, undefined, { namespace, n, last });
          assert.equal(unknownFrom, undefined);
          assert.ok(entries.length === n || !more);
          found.push(...entries);
          const end = entries.at(-1);
          last = more && end !== undefined ? cursorOf(end) : undefined;
        }
        assert.deepEqual(found, expected(list.names, namespace));
      }
    }),
  );
});

test("of names that are known in part, a page has the first entries and counts only what is known", () => {
  fc.assert(
    fc.property(names, fc.nat(30), (some, length) => {
      const list = listOf(some);
      const all = list.names;
      const known = all.slice(0, length);
      const query = { namespace: "", n: 100, last: "" };
      const part = levelOf(known, known.at(-1) ?? "", query);
      assert.notEqual(part.unknownFrom, undefined);
      const whole = expected(all, "").slice(0, part.entries.length);
      for (const [index, entry] of part.entries.entries()) {
        const right = whole[index];
        assert.equal(cursorOf(entry), right && cursorOf(right));
        if (entry.kind === "namespace" && entry.repositories !== undefined) assert.deepEqual(entry, right);
      }
    }),
  );
});

test("a list keeps its names sorted and knows their memory", () => {
  fc.assert(
    fc.property(names, names, (added, removed) => {
      const list = listOf([...added, ...added]);
      for (const name of removed) list.remove(name);
      const left = added.filter((name) => !removed.includes(name)).sort();
      assert.deepEqual(list.names, left);
      assert.equal(list.bytes, listOf(left).bytes);
    }),
  );
});

const ranks: readonly [name: string, text: string, rank: ReturnType<typeof rankOf>][] = [
  ["team/app", "app", "component"],
  ["team/app", "team", "component"],
  ["team/app", "team/app", "component"],
  ["team/application", "app", "beginning"],
  ["team/my-app", "app", "inside"],
  ["my-app/apple/app", "app", "component"],
  ["my-app/apple", "app", "beginning"],
  ["team/app", "m/a", "inside"],
  ["team/app", "other", undefined],
];
for (const [name, text, rank] of ranks) {
  test(`search: ${text} in ${name} is ${rank ?? "nothing"}`, () => {
    assert.equal(rankOf(name, text), rank);
  });
}
