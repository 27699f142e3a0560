// The shape of JSON is counted without building it, and matches the result of JSON.parse.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { countKeys, duplicateKey, jsonShape } from "../../src/lib/json-scan.js";

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test("depth and keys are those of the value, whatever its strings contain", () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('"', "\\", '\\"', "{", "[", ":", ","));
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      text,
      fc.integer(),
      fc.array(tie("value")),
      fc.dictionary(text, tie("value"), { noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.constantFrom(0, 2), (json, indent) => {
      const shape = jsonShape(Buffer.from(JSON.stringify(json, null, indent)));
      assert.equal(shape.depth, depthOf(json));
      assert.equal(shape.keys, countKeys(json));
    }),
  );
});

test("a duplicate key of an object counts twice", () => {
  const text = '{"a":1,"\\u0061":{"b":2,"b":3}}';
  assert.equal(jsonShape(Buffer.from(text)).keys, 4);
  assert.equal(countKeys(JSON.parse(text)), 2);
});

test("the duplicate key of an object is found, and a key of several objects is none", () => {
  for (const [text, key] of [
    ['{"a":1,"\\u0061":{"b":2,"b":3}}', "a"],
    ['{"a":1,"c":{"b":2,"b":3},"a":1}', "b"],
    ['{"é \\" : ":1,"\\u00e9 \\" : " :2}', 'é " : '],
    ['[{"":":","x":"","":1}]', ""],
    ['{"a":{"a":["a","a",{"a":1},{"a":1}]},"b":{"a":"a:"}}', undefined],
  ] as const) {
    JSON.parse(text);
    assert.equal(duplicateKey(Buffer.from(text)), key, text);
  }
});

test("bytes that are not JSON are scanned to the end, too", () => {
  for (const text of ['"', '"\\', "}}}}", "[[[[", ""]) jsonShape(Buffer.from(text));
  assert.equal(jsonShape(Buffer.from("[".repeat(1000))).depth, 1000);
});
