// Error messages for operators.

import assert from "node:assert/strict";
import { test } from "node:test";
import { describeError } from "../../src/lib/describe-error.js";

const refused = Object.assign(new AggregateError([], ""), { code: "ECONNREFUSED" });

const openSsl = Object.assign(
  new Error("80A:error:0A00010B:SSL routines::wrong version number:../ssl/r.c:350:\n"),
  {
    library: "SSL routines",
    reason: "wrong version number",
  },
);

for (const [what, error, told] of [
  ["its message", new Error("no room"), "no room"],
  ["the messages of its causes", new Error("a", { cause: new Error("b", { cause: "c" }) }), "a: b: c"],
  ["the message of a cause once", new Error("a: b: c", { cause: new Error("b", { cause: "c" }) }), "a: b: c"],
  ["its code, if it has no message", refused, "ECONNREFUSED"],
  ["the reason of OpenSSL", openSsl, "SSL routines: wrong version number"],
  ["its name, if it has neither", new TypeError(), "TypeError"],
  ["the thrown value, if it is not an error", 7, "7"],
] as const)
  test(`the description of an error has ${what}`, () => assert.equal(describeError(error), told));
