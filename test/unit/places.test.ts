// Places for concurrent operations: never more than the limits, in total and for one holder, and each is returned.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Places } from "../../src/lib/places.js";

test("a holder has at most its limit, all together at most theirs, and leaving makes room", () => {
  const places = new Places(3, 2);
  assert.deepEqual(
    ["a", "a", "a"].map((holder) => places.enter(holder)),
    [true, true, false],
  );
  assert.deepEqual(
    ["b", "c"].map((holder) => places.enter(holder)),
    [true, false],
  );
  places.leave("b");
  assert.ok(places.enter("c"));
  places.leave("a");
  assert.ok(places.enter("a"));
});

test("a place can be returned only once", () => {
  const places = new Places(3, 2);
  places.enter("a");
  places.leave("a");
  assert.throws(() => places.leave("a"), /invariant/);
});
