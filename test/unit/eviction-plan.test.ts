// What is evicted, by last use, limit and time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Digest } from "../../src/domain/digest.js";
import type { RepositoryName } from "../../src/domain/repository-name.js";
import { type EvictionLimits, planEviction, type UsedContent } from "../../src/upstream/eviction-plan.js";

interface Given {
  readonly at: number;
  readonly bytes?: number;
  readonly names?: readonly string[];
}

function content(id: string, { at, bytes = 10, names = ["a/one"] }: Given): UsedContent {
  return {
    kind: "blob",
    digest: id as Digest,
    names: names as readonly RepositoryName[],
    bytes,
    size: bytes,
    lastUsedAt: at,
  };
}

const kept = { a: 0, b: 0 };

function plan(
  contents: readonly UsedContent[],
  { above = Number.POSITIVE_INFINITY, to = above, seconds = {}, held = "" } = {} as {
    above?: number;
    to?: number;
    seconds?: Partial<typeof kept>;
    held?: string;
  },
): string[] {
  const limits: EvictionLimits = {
    bytes: { above, to },
    keptMilliseconds: (name) => ({ ...kept, ...seconds })[name.startsWith("a/") ? "a" : "b"],
  };
  return planEviction(contents, limits, 1000, ({ digest }) => digest === held).map(
    ({ content: { digest }, names, freesBytes, why }) => `${why} ${digest} ${names} ${freesBytes}`,
  );
}

const three = [content("new", { at: 30 }), content("old", { at: 10 }), content("mid", { at: 20 })];

test("nothing goes up to the limit, and above it the longest unused goes first, down to the target", () => {
  assert.deepEqual(plan(three, { above: 30, to: 5 }), []);
  assert.deepEqual(plan(three, { above: 29, to: 20 }), ["limit old a/one 10"]);
  assert.deepEqual(plan(three, { above: 29, to: 19 }), ["limit old a/one 10", "limit mid a/one 10"]);
});

test("what is held stays, and the next goes instead", () => {
  assert.deepEqual(plan(three, { above: 20, held: "old" }), ["limit mid a/one 10"]);
  assert.deepEqual(plan(three, { seconds: { a: 980 }, held: "old" }), ["unused mid a/one 10"]);
});

test("what a pushed repository shares frees nothing, so it neither counts nor goes", () => {
  const shared = content("shared", { at: 1, bytes: 0 });
  assert.deepEqual(plan([shared, ...three], { above: 29, to: 20 }), ["limit old a/one 10"]);
});

test("content goes when nobody has used it for its upstream's time, without a limit", () => {
  assert.deepEqual(plan(three, { seconds: { a: 985 } }), ["unused old a/one 10"]);
  assert.deepEqual(plan(three, { seconds: { a: 0 } }), []);
});

test("content of two upstreams goes from the one whose time is over, and frees nothing then", () => {
  const both = content("both", { at: 10, names: ["a/one", "b/one"] });
  assert.deepEqual(plan([both], { seconds: { a: 100 } }), ["unused both a/one 0"]);
  assert.deepEqual(plan([both], { seconds: { a: 100, b: 100 } }), ["unused both a/one,b/one 10"]);
  assert.deepEqual(plan([both], { seconds: { a: 100 }, above: 5 }), ["limit both a/one,b/one 10"]);
});

test("what goes for its time counts for the limit", () => {
  const expired = content("expired", { at: 5, names: ["b/one"] });
  assert.deepEqual(plan([expired, ...three], { seconds: { b: 10 }, above: 30 }), ["unused expired b/one 10"]);
});
