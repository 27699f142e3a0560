import assert from "node:assert/strict";
import { test } from "node:test";
import { randomId } from "../../src/lib/random-ids.js";

test("random identifiers have 32 hexadecimal digits, and none comes twice", () => {
  const ids = Array.from({ length: 10_000 }, randomId);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(new Set(ids).size, ids.length);
});
