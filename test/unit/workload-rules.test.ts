// Grants of rules to CI jobs, and that no claim widens a pattern.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Claims, compileRule, grantsOf, type WorkloadRule } from "../../src/auth/workload/rules.js";
import { workloadIssuers } from "../../src/config/workload.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { anyText, names } from "./arbitraries.js";

const github: Claims = {
  sub: "repo:Acme/Shop:environment:production",
  repository: "Acme/Shop",
  repository_owner: "Acme",
  ref: "refs/heads/main",
  ref_protected: "true",
  environment: "production",
};
const gitlab: Claims = {
  sub: "project_path:acme/web/shop:ref_type:branch:ref:main",
  project_path: "acme/web/shop",
  namespace_path: "acme/web",
  ref: "main",
  ref_type: "branch",
  ref_protected: "true",
};

function rule(
  claims: Record<string, string[]>,
  repository: string,
  ...permissions: WorkloadRule["permissions"]
) {
  return {
    claims,
    repositories: [repository],
    permissions: permissions.length === 0 ? ["pull" as const] : permissions,
  };
}

function mayPull(rules: readonly WorkloadRule[], claims: Claims, name: string): boolean {
  return grantsOf(rules.map(compileRule), claims)?.allows("pull", parseRepositoryName(name)) ?? false;
}

for (const [what, claims, granting, name, expected] of [
  ["a claim equal to the rule", github, rule({ repository: ["Acme/Shop"] }, "shop"), "shop", true],
  ["a claim in other letters", github, rule({ repository: ["acme/shop"] }, "shop"), "shop", false],
  ["a claim that a glob matches", github, rule({ repository: ["Acme/*"] }, "shop"), "shop", true],
  [
    "a claim that one of two globs matches",
    github,
    rule({ ref: ["refs/tags/*", "refs/heads/*"] }, "shop"),
    "shop",
    true,
  ],
  ["a star for a path", gitlab, rule({ project_path: ["acme/*"] }, "shop"), "shop", false],
  ["two stars for a path", gitlab, rule({ project_path: ["acme/**"] }, "shop"), "shop", true],
  [
    "a claim with only the right beginning",
    github,
    rule({ repository: ["Acme/Sho"] }, "shop"),
    "shop",
    false,
  ],
  ["a claim with only the right end", github, rule({ repository: ["cme/Shop"] }, "shop"), "shop", false],
  [
    "two claims, one of them wrong",
    github,
    rule({ repository: ["**"], environment: ["staging"] }, "shop"),
    "shop",
    false,
  ],
  ["a missing claim", gitlab, rule({ environment: ["**"] }, "shop"), "shop", false],
  ["a property of every object as claim", github, rule({ constructor: ["**"] }, "shop"), "shop", false],
  ["a repository named after a claim", github, rule({ sub: ["**"] }, "{repository}"), "acme/shop", true],
  [
    "a folder named after a claim",
    gitlab,
    rule({ sub: ["**"] }, "ci/{project_path}/**"),
    "ci/acme/web/shop/cache",
    true,
  ],
  [
    "a folder with only the right beginning",
    gitlab,
    rule({ sub: ["**"] }, "ci/{project_path}/**"),
    "ci/acme/web/shopping/cache",
    false,
  ],
  [
    "a repository named after two claims",
    github,
    rule({ sub: ["**"] }, "{repository}/{environment}"),
    "acme/shop/production",
    true,
  ],
  [
    "a repository named after a missing claim",
    gitlab,
    rule({ sub: ["**"] }, "{repository}/**"),
    "acme/web",
    false,
  ],
  ["another repository", github, rule({ sub: ["**"] }, "{repository}"), "acme/other", false],
] as const) {
  test(`${what} is ${expected ? "enough" : "not enough"}`, () => {
    assert.equal(mayPull([granting], claims, name), expected);
  });
}

test("rules add up, and permissions include those that they imply", () => {
  const name = parseRepositoryName("acme/shop");
  const grants = grantsOf(
    [
      rule({ sub: ["**"] }, "{repository}", "pull"),
      rule({ ref: ["refs/heads/main"] }, "{repository}", "push"),
    ].map(compileRule),
    github,
  );
  const all = ["pull", "push", "create-tag", "delete", "admin"] as const;
  assert.deepEqual(
    all.filter((permission) => grants?.allows(permission, name)),
    ["pull", "push", "create-tag"],
  );
});

test("without a matching rule there are no grants", () => {
  assert.equal(grantsOf([], github), undefined);
  assert.equal(grantsOf([compileRule(rule({ repository: ["other/**"] }, "**"))], github), undefined);
});

test("a capitalized branch is not the lower-case one", () => {
  const granting = [rule({ repository: ["Acme/Shop"] }, "branches/{ref}")];
  assert.ok(mayPull(granting, { ...github, ref: "main" }, "branches/main"));
  assert.ok(!mayPull(granting, { ...github, ref: "MAIN" }, "branches/main"));
});

test("no claim widens a pattern beyond its place", () => {
  const hostile = fc.oneof(
    anyText,
    names,
    fc.constantFrom(
      "**",
      "*",
      "..",
      ".",
      "a/../b",
      "a/**",
      "{a,b}",
      "!a",
      "(a|b)",
      "[a-z]",
      "a//b",
      "/a",
      "a/",
      "",
      "+(a)",
      "\\*",
    ),
    fc.string({ unit: fc.constantFrom(..."ab*?!{}()[]|+@/.,\\^$") }),
  );
  fc.assert(
    fc.property(hostile, names, (claim, name) => {
      const claims = { sub: "x", ref: claim };
      if (mayPull([rule({ sub: ["x"] }, "ci/{ref}/**")], claims, name))
        assert.ok(`${name}/`.startsWith(`ci/${claim}/`), name);
      if (mayPull([rule({ sub: ["x"] }, "{ref}")], claims, name)) assert.equal(name, claim);
    }),
    { numRuns: 3000 },
  );
});

const issuer = {
  name: "github",
  issuer: "https://token.actions.githubusercontent.com",
  audience: "gantry",
  rules: [{ claims: { repository: "acme/**" }, repositories: "{repository}/**", permissions: ["push"] }],
};

test("settings are parsed, with a single text instead of a list", () => {
  const [first] = workloadIssuers.parse([issuer]);
  assert.deepEqual(first?.audience, ["gantry"]);
  assert.deepEqual(first?.rules?.[0]?.claims, { repository: ["acme/**"] });
  const local = ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"];
  for (const url of local) assert.ok(workloadIssuers.safeParse([{ ...issuer, issuer: url }]).success, url);
});

const firstRule = issuer.rules[0];
for (const [what, wrong] of [
  ["plain HTTP", { issuer: "http://gitlab.example" }],
  ["plain HTTP to a host that only looks like this machine", { issuer: "http://127.0.0.1.example" }],
  ["another scheme", { issuer: "file:///keys" }],
  ["a password in the URL", { issuer: "https://a:b@gitlab.example" }],
  ["keys over plain HTTP", { jwksuri: "http://keys.example" }],
  ["keys in two places", { jwks: "keys.json", jwksuri: "https://keys.example" }],
  ["no audience", { audience: [] }],
  ["an empty audience", { audience: "" }],
  ["no rule", { rules: [] }],
  ["an ambiguous name", { name: "git:hub" }],
  ["a rule for everyone in the world", { rules: [{ ...firstRule, claims: { ref: "refs/heads/main" } }] }],
  ["a rule without claims", { rules: [{ ...firstRule, claims: {} }] }],
  ["an unknown permission", { rules: [{ ...firstRule, permissions: ["fly"] }] }],
  ["a claim within a component", { rules: [{ ...firstRule, repositories: "ci-{repository}" }] }],
  ["two claims in one component", { rules: [{ ...firstRule, repositories: "{repository}{ref}" }] }],
  ["an unknown key", { rules: [{ ...firstRule, repository: "a" }] }],
] as const) {
  test(`${what} is refused in the settings`, () => {
    assert.ok(!workloadIssuers.safeParse([{ ...issuer, ...wrong }]).success);
  });
}

test("two issuers with one name or one URL are refused", () => {
  for (const second of [{ name: "other" }, { issuer: "https://gitlab.example" }])
    assert.ok(!workloadIssuers.safeParse([issuer, { ...issuer, ...second }]).success);
  assert.ok(
    workloadIssuers.safeParse([issuer, { ...issuer, name: "other", issuer: "https://gitlab.example" }])
      .success,
  );
});
