// What an operator is told of an error.

import assert from "node:assert/strict";
import { test } from "node:test";
import { describeError } from "../../src/lib/describe-error.js";

const refused = Object.assign(new AggregateError([], ""), { code: "ECONNREFUSED" });

for (const [what, error, told] of [
  ["its message", new Error("no room"), "no room"],
  ["those of its causes behind it", new Error("a", { cause: new Error("b", { cause: "c" }) }), "a: b: c"],
  ["its code where it has no message", refused, "ECONNREFUSED"],
  ["its name where it has neither", new TypeError(), "TypeError"],
  ["what was thrown where it is none", 7, "7"],
] as const)
  test(`of an error is told ${what}`, () => assert.equal(describeError(error), told));
