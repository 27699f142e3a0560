// Errors in policy files.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAccessPolicy } from "../../src/config/access-policy.js";
import { ConfigError } from "../../src/config/errors.js";
import { parseTagPolicy } from "../../src/config/tag-policy.js";

function said(parse: (text: string, path: string) => unknown, text: string): string[] {
  try {
    parse(text, "policy");
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message.split("\n");
  }
  return [];
}

for (const [what, parse, text, expected] of [
  [
    "no YAML",
    parseAccessPolicy,
    "rules: [",
    ["policy:1: Flow sequence in block collection must be sufficiently indented and end with a ]"],
  ],
  ["nothing", parseAccessPolicy, "", ["policy: rules: is missing"]],
  ["a list", parseAccessPolicy, "[a]", ["policy:1: expected keys with values"]],
  [
    "an unknown key",
    parseAccessPolicy,
    "rules: []\nrule: x",
    ["policy:1: there is no key rule; the nearest is rules"],
  ],
  [
    "a group that is not a list",
    parseAccessPolicy,
    "groups:\n  a: b\nrules: []",
    ['policy:2: groups.a = "b": expected a list'],
  ],
  [
    "an unknown permission",
    parseAccessPolicy,
    'rules:\n  - repositories: "**"\n    users: a\n    allow: everything',
    ['policy:4: rules.0.allow = "everything": expected pull, push, create-tag, delete or admin'],
  ],
  [
    "an unknown permission in a list",
    parseAccessPolicy,
    'rules:\n  - repositories: "**"\n    users: a\n    allow: [pull, pusch]',
    ['policy:4: rules.0.allow.1 = "pusch": expected pull, push, create-tag, delete or admin'],
  ],
  [
    "no repositories, and text instead of a boolean",
    parseAccessPolicy,
    "rules:\n  - anonymous: maybe\n    allow: pull",
    [
      "policy:2: rules.0.repositories: is missing",
      'policy:2: rules.0.anonymous = "maybe": expected true or false',
    ],
  ],
  [
    "a rule without callers",
    parseAccessPolicy,
    'rules: [{ repositories: "**", allow: pull }]',
    [
      'policy:1: rules.0 = {"repositories":"**","allow":"pull"}: needs anonymous, authenticated, users, groups or claims: without them it applies to nobody',
    ],
  ],
  [
    "a rule that keeps too few",
    parseTagPolicy,
    '{ "retention": [{ "keepLast": -1 }] }',
    ["policy:1: retention.0.keepLast = -1: expected 0 or more"],
  ],
  [
    "a time without a unit",
    parseTagPolicy,
    '{ "retention": [{ "keepPushedWithin": 5 }] }',
    ["policy:1: retention.0.keepPushedWithin = 5: expected a time such as 90s, 5m, 168h or 30d"],
  ],
  [
    "no repository",
    parseTagPolicy,
    '{ "immutable": [{ "repositories": [] }] }',
    ["policy:1: immutable.0.repositories = []: expected one or more"],
  ],
] as const)
  test(`${what} in a policy is reported`, () => {
    assert.deepEqual(said(parse, text), expected);
  });

test("of many errors in a policy, the first are reported and the rest is counted", () => {
  const rule = '{ repositories: "**", users: a, allow: everything }';
  const lines = said(parseAccessPolicy, `rules:\n${`  - ${rule}\n`.repeat(1_000)}`);
  assert.equal(lines.length, 21);
  assert.match(lines[19] ?? "", /^policy:21: rules\.19\.allow = "everything": expected pull/);
  assert.equal(lines[20], "policy: and 980 more errors");
});

test("many invalid values of one key are reported in a few short lines", () => {
  const values = Array.from({ length: 130_000 }, () => "x").join(", ");
  const lines = said(parseAccessPolicy, `rules:\n  - { repositories: a, users: a, allow: [${values}] }`);
  assert.ok(lines.length <= 21 && lines.every((line) => line.length < 3_000), lines.join("\n"));
});

test("many unknown keys and a long value are reported in short lines", () => {
  const keys = Array.from({ length: 2_000 }, (_, index) => `key-${index}: x\n`).join("");
  const lines = said(parseAccessPolicy, `${keys}groups: ${"x".repeat(100_000)}\n`);
  assert.ok(lines.length <= 21 && lines.every((line) => line.length < 3_000));
  assert.ok(lines.some((line) => line.endsWith("and 1980 more")));
});

test("a policy file that is too large to parse is refused", () => {
  assert.match(said(parseTagPolicy, "#".repeat(3_000_000)).join(), /has more than 2097152 characters/);
});
