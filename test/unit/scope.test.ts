// Scopes compared with the grammar of distribution's "Token Scope Documentation".

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { claimOf, intersection, parseAccess, scopeOf } from "../../src/auth/tokens/access.js";
import { parseScopes, scopeCharactersMax, scopesMax } from "../../src/auth/tokens/scope.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { anyText, kindOf, names } from "./arbitraries.js";

const actions = fc.uniqueArray(fc.constantFrom("pull", "push", "delete", "create-tag", "admin", "*"));

/** The result of `parseScopes`, in a comparable form. */
function parsed(...texts: string[]): Record<string, string[]> {
  const { repositories, catalog } = parseScopes(texts);
  const found = Array.from(repositories, ([name, requested]) => [name, [...requested].sort()]);
  return { ...Object.fromEntries(found), ...(catalog && { "(catalog)": ["*"] }) };
}

test("a scope of a repository has its name and its actions", () => {
  fc.assert(
    fc.property(names, actions, fc.constantFrom("repository", "repository(plugin)"), (name, asked, type) => {
      assert.deepEqual(parsed(`${type}:${name}:${asked.join()}`), { [name]: asked.toSorted() });
    }),
  );
});

test("scopes separated by spaces equal single ones, and those of one repository add up", () => {
  const scopes = fc.array(fc.tuple(names, actions), { maxLength: 8 });
  fc.assert(
    fc.property(scopes, (list) => {
      const texts = list.map(([name, asked]) => `repository:${name}:${asked.join()}`);
      const expected = new Map<string, Set<string>>();
      for (const [name, asked] of list)
        expected.set(name, new Set([...(expected.get(name) ?? []), ...asked]));
      const sorted = Object.fromEntries(Array.from(expected, ([name, set]) => [name, [...set].sort()]));
      assert.deepEqual(parsed(...texts), sorted);
      assert.deepEqual(parsed(texts.join(" ")), sorted);
    }),
  );
});

test("any text is parsed or gives a typed error, and never requests more than it contains", () => {
  const nearly = fc.string({ unit: fc.constantFrom(..."repository:(plugin)a/b.pull,push* \0") });
  fc.assert(
    fc.property(fc.oneof(anyText, nearly), (text) => {
      const kind = kindOf(() => parseScopes([text]));
      assert.ok(kind === "none" || kind === "request-invalid", kind);
      if (kind === "none")
        for (const name of parseScopes([text]).repositories.keys()) assert.ok(text.includes(`:${name}:`));
    }),
    { numRuns: 2000 },
  );
});

for (const [what, text, expected] of [
  ["nothing", "", {}],
  ["the catalog", "registry:catalog:*", { "(catalog)": ["*"] }],
  ["less than the catalog", "registry:catalog:pull", {}],
  ["no action", "repository:a:", { a: [] }],
  ["with an unknown action", "repository:a:pull,fly", { a: ["pull"] }],
  ["with an unknown type", "namespace:a:pull", {}],
  ["a name with a host", "repository:example.com:5000/a:pull", {}],
  ["a name with capitals", "repository:Team/App:pull", {}],
] as const) {
  test(`${what} is understood`, () => assert.deepEqual(parsed(text), expected));
}

for (const [what, texts] of [
  ["without actions", ["repository:a"]],
  ["without a name", ["repository::pull"]],
  ["with a broken class", ["repository(plugin:a:pull"]],
  ["in capitals", ["Repository:a:pull"]],
  ["too long", [`repository:${"a".repeat(scopeCharactersMax)}:pull`]],
  ["of too many", Array.from({ length: scopesMax + 1 }, (_, index) => `repository:a${index}:pull`)],
  ["with too many entries in one text", ["repository:a:pull ".repeat(scopesMax + 1)]],
] as const) {
  test(`a scope ${what} is refused`, () => {
    assert.equal(
      kindOf(() => parseScopes(texts)),
      "request-invalid",
    );
  });
}

const may = (granted: Readonly<Record<string, readonly string[]>>) => (permission: string, name: string) =>
  granted[name]?.includes(permission) === true;

for (const [what, scope, granted, mayList, expected] of [
  ["everything granted", "repository:a:pull,push", { a: ["pull", "push"] }, false, "repository:a:pull,push"],
  ["only granted actions", "repository:a:pull,push", { a: ["pull"] }, false, "repository:a:pull"],
  [
    "only requested actions",
    "repository:a:pull",
    { a: ["pull", "push", "delete"] },
    false,
    "repository:a:pull",
  ],
  ["create-tag for a push", "repository:a:push", { a: ["create-tag"] }, false, "repository:a:create-tag"],
  ["no more for a push", "repository:a:push", { a: ["push", "delete", "admin"] }, false, "repository:a:push"],
  ["everything for a star", "repository:a:*", { a: ["pull", "delete"] }, false, "repository:a:pull,delete"],
  ["nothing of another repository", "repository:b:pull", { a: ["pull"] }, false, ""],
  ["the catalog", "registry:catalog:*", {}, true, "registry:catalog:*"],
  ["no catalog", "registry:catalog:*", {}, false, ""],
  ["no unrequested catalog", "repository:a:pull", { a: ["pull"] }, true, "repository:a:pull"],
] as const) {
  test(`a token has ${what}`, () => {
    assert.equal(scopeOf(intersection(parseScopes([scope]), may(granted), mayList)), expected);
  });
}

test("a written access claim is parsed back unchanged", () => {
  const granted = fc.uniqueArray(fc.constantFrom("pull", "push", "delete", "create-tag", "admin"), {
    minLength: 1,
  });
  const accesses = fc.record(
    {
      repositories: fc
        .array(fc.tuple(names, granted), { maxLength: 5 })
        .map((list) => new Map(list.map(([name, of]) => [parseRepositoryName(name), new Set(of)]))),
      catalog: fc.boolean(),
    },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(accesses, (access) => assert.deepEqual(parseAccess(claimOf(access)), access)));
});
