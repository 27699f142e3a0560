// Error messages for operators.

import assert from "node:assert/strict";
import { test } from "node:test";
import { describeError } from "../../src/lib/describe-error.js";

const refused = Object.assign(new AggregateError([], ""), { code: "ECONNREFUSED" });

for (const [what, error, told] of [
  ["its message", new Error("no room"), "no room"],
  ["the messages of its causes", new Error("a", { cause: new Error("b", { cause: "c" }) }), "a: b: c"],
  ["its code, if it has no message", refused, "ECONNREFUSED"],
  ["its name, if it has neither", new TypeError(), "TypeError"],
  ["the thrown value, if it is not an error", 7, "7"],
] as const)
  test(`the description of an error has ${what}`, () => assert.equal(describeError(error), told));
