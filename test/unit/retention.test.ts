// Retention: which tags the rules keep, by their times of push and pull.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readTagPolicy } from "../../src/config/tag-policy.js";
import { parseReference, type Tag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import {
  compareByPush,
  expiredTags,
  isImmutable,
  previousKept,
  Retention,
  rulingOf,
  type TagTimes,
} from "../../src/gc/retention.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-policy-"));
after(() => rm(folder, { recursive: true, force: true }));

const day = 86_400_000;
const now = 1000 * day;

function tagOf(text: string): Tag {
  const reference = parseReference(text);
  assert.ok(reference.kind === "tag");
  return reference.tag;
}

async function policyOf(json: unknown) {
  const path = join(folder, "policy.json");
  await writeFile(path, typeof json === "string" ? json : JSON.stringify(json));
  return readTagPolicy(path);
}

/** Tags with the days since their last push and pull. */
type Ages = Readonly<Record<string, readonly [pushed: number, pulled?: number]>>;

async function expired(policy: unknown, repository: string, ages: Ages): Promise<string[]> {
  const times = new Map<Tag, TagTimes>(
    Object.entries(ages).map(([tag, [pushed, pulled]]) => [
      tagOf(tag),
      { pushedAt: now - pushed * day, pulledAt: pulled === undefined ? undefined : now - pulled * day },
    ]),
  );
  return expiredTags(await policyOf(policy), parseRepositoryName(repository), times, now).map(
    ({ tag }) => tag,
  );
}

const cases: readonly [what: string, policy: unknown, repository: string, ages: Ages, gone: string[]][] = [
  ["no rule keeps everything", {}, "a", { old: [500] }, []],
  [
    "the last N by push, the oldest expire first",
    { retention: [{ keepLast: 2 }] },
    "a",
    { a: [4], b: [1], c: [3], d: [2] },
    ["a", "c"],
  ],
  [
    "tags that are young enough by push",
    { retention: [{ keepPushedWithin: "30d" }] },
    "a",
    { young: [29], old: [31, 1] },
    ["old"],
  ],
  [
    "recently pulled tags; tags that were never pulled have only their push",
    { retention: [{ keepPulledWithin: "240h", keepPushedWithin: "48h" }] },
    "a",
    { used: [90, 9], unused: [90, 11], never: [90], fresh: [1] },
    ["never", "unused"],
  ],
  [
    "one condition is enough",
    { retention: [{ keepLast: 1, keepPulledWithin: "10d" }] },
    "a",
    { newest: [50], pulled: [60, 3], neither: [70, 20] },
    ["neither"],
  ],
  [
    "keepLast counts only the tags that the rule matches",
    {
      retention: [
        { tags: "pr-*", keepLast: 1 },
        { tags: ["main", "v*"], keepLast: 100 },
      ],
    },
    "a",
    { "pr-1": [3], "pr-2": [2], main: [900], v1: [800], other: [700] },
    ["pr-1"],
  ],
  [
    "the first matching rule decides",
    { retention: [{ tags: "pr-1", keepLast: 5 }, { keepLast: 0 }] },
    "a",
    { "pr-1": [3], x: [1] },
    ["x"],
  ],
  [
    "a star stops at a slash",
    { retention: [{ repositories: "ci/*", keepLast: 0 }] },
    "ci/a/b",
    { x: [1] },
    [],
  ],
  ["two stars do not", { retention: [{ repositories: "ci/**", keepLast: 0 }] }, "ci/a/b", { x: [1] }, ["x"]],
  [
    "immutable tags stay, and are not counted",
    { immutable: [{ tags: "v*" }], retention: [{ keepLast: 1 }] },
    "a",
    { v1: [1], "2": [2], "3": [3] },
    ["3"],
  ],
];

for (const [what, policy, repository, ages, gone] of cases) {
  test(`retention: ${what}`, async () => {
    assert.deepEqual(await expired(policy, repository, ages), gone);
  });
}

test("a rule that only keeps earlier targets keeps all of its tags, and comes before later rules", async () => {
  const policy = {
    retention: [
      { tags: "latest", keepPrevious: 3 },
      { tags: "*", keepLast: 1, keepPrevious: 1 },
    ],
  };
  assert.deepEqual(await expired(policy, "app", { latest: [100], old: [90], new: [1] }), ["old"]);
  const parsed = await policyOf(policy);
  const kept = (tag: string) => previousKept(parsed, parseRepositoryName("app"), tagOf(tag));
  assert.deepEqual([kept("latest"), kept("other")], [3, 1]);
  assert.equal(previousKept(await policyOf({}), parseRepositoryName("app"), tagOf("latest")), 0);
});

test("a reason says why a tag expires", async () => {
  const policy = await policyOf({
    retention: [
      { repositories: "ci/**", tags: "pr-*", keepLast: 0, keepPushedWithin: "1d", keepPulledWithin: "1d" },
    ],
  });
  const times = new Map([[tagOf("pr-1"), { pushedAt: now - 40 * day, pulledAt: undefined }]]);
  assert.deepEqual(expiredTags(policy, parseRepositoryName("ci/a"), times, now), [
    { tag: "pr-1", rule: "ci/** : pr-*", why: "not among the last 0, pushed 40 days ago, never pulled" },
  ]);
});

test("retention tells how long each tag stays", async () => {
  const policy = await policyOf({
    immutable: [{ tags: "v*" }],
    retention: [
      { tags: "pr-*", keepLast: 1, keepPushedWithin: "30d", keepPulledWithin: "10d" },
      { tags: "tmp-*", keepLast: 0 },
    ],
  });
  const ages: Ages = {
    v1: [500],
    main: [400],
    "pr-1": [40, 3],
    "pr-2": [18, 12],
    "pr-3": [60, 20],
    "pr-4": [1],
    "tmp-1": [0],
  };
  const retention = new Retention(now);
  const tags = Object.entries(ages).map(([tag, [pushed]]) => ({
    tag: tagOf(tag),
    pushedAt: now - pushed * day,
  }));
  const found = tags.sort(compareByPush).map(({ tag, pushedAt }) => {
    const pulled = ages[tag]?.[1];
    const pulledAt = pulled === undefined ? undefined : now - pulled * day;
    return [tag, retention.next(rulingOf(policy, parseRepositoryName("a"), tag), { pushedAt, pulledAt })];
  });
  const rule = "** : pr-*";
  assert.deepEqual(Object.fromEntries(found), {
    v1: { kind: "immutable" },
    main: { kind: "no-rule" },
    "pr-1": { kind: "until", rule, at: now + 7 * day },
    "pr-2": { kind: "until", rule, at: now + 12 * day },
    "pr-3": {
      kind: "expired",
      rule,
      why: "not among the last 1, pushed 60 days ago, last pulled 20 days ago",
    },
    "pr-4": { kind: "among-last", rule, keepLast: 1, place: 1 },
    "tmp-1": { kind: "expired", rule: "** : tmp-*", why: "not among the last 0" },
  });
});

test("a tag expires in the first millisecond after the time that retention tells", async () => {
  const policy = await policyOf({ retention: [{ keepPushedWithin: "10d", keepPulledWithin: "3d" }] });
  const name = parseRepositoryName("a");
  const times: TagTimes = { pushedAt: now - 5 * day, pulledAt: now - day };
  const remaining = new Retention(now).next(rulingOf(policy, name, tagOf("x")), times);
  assert.ok(remaining.kind === "until");
  const at = (moment: number) => expiredTags(policy, name, new Map([[tagOf("x"), times]]), moment).length;
  assert.deepEqual([at(remaining.at), at(remaining.at + 1)], [0, 1]);
});

test("immutable tags match a pattern, in repositories that match a pattern", async () => {
  const policy = await policyOf({ immutable: [{ repositories: ["prod/**", "base"], tags: ["v*", "20??"] }] });
  const is = (name: string, tag: string) => isImmutable(policy, parseRepositoryName(name), tagOf(tag));
  assert.deepEqual(
    [is("prod/a", "v1"), is("base", "2026"), is("prod/a", "latest"), is("dev/a", "v1")],
    [true, true, false, false],
  );
});

const wrong: readonly [what: string, json: unknown, message: RegExp][] = [
  ["a rule that keeps nothing", { retention: [{ tags: "*" }] }, /retention\.0 = .*: needs .*keepLast/],
  ["an unknown field", { retention: [{ keepLast: 1, keepPulled: "1d" }] }, /keepPulled/],
  [
    "a time of no unit",
    { retention: [{ keepPushedWithin: "30" }] },
    /retention\.0\.keepPushedWithin = "30": .*30d/,
  ],
  ["no JSON", "{", /policy\.json:1: /],
];

for (const [what, json, message] of wrong) {
  test(`a policy with ${what} is refused with the reason`, async () => {
    await assert.rejects(policyOf(json), { name: "ConfigError", message });
  });
}
