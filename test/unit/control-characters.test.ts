import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { escapeJsonLine, visibleFields, visibleLine, visibleText } from "../../src/lib/control-characters.js";

/** One of each kind of character that a terminal obeys or does not show. */
const hostile = [
  ["a C0 control", "\u001b"],
  ["a carriage return", "\r"],
  ["DEL", "\u007f"],
  ["a C1 control, CSI in one byte", "\u009b"],
  ["NEL", "\u0085"],
  ["a bidirectional override", "\u202e"],
  ["a bidirectional isolate", "\u2066"],
  ["the Arabic letter mark", "\u061c"],
  ["a line separator", "\u2028"],
  ["a paragraph separator", "\u2029"],
  ["a zero-width space", "\u200b"],
  ["a byte order mark", "\ufeff"],
  ["a soft hyphen", "\u00ad"],
  ["a word joiner", "\u2060"],
  ["a Hangul filler", "\u3164"],
  ["a variation selector", "\u{e0100}"],
  ["a tag character", "\u{e0041}"],
  ["half of a surrogate pair", "\ud800"],
] as const;

const isObeyed = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;

for (const [what, character] of hostile)
  test(`${what} is shown as its escape`, () => {
    const quoted = JSON.stringify({ a: `x${character}y` });
    const line = escapeJsonLine(`${quoted}\n`);
    assert.doesNotMatch(line.slice(0, -1), isObeyed);
    assert.ok(line.endsWith("}\n"));
    assert.deepEqual(JSON.parse(line), { a: `x${character}y` }, "the line has the same meaning");
    for (const show of [visibleText, visibleLine])
      assert.match(show(`x${character}y`), /^x(?:\\u[0-9a-f]{4}){1,2}y$/);
  });

test("text of any language, and emoji, are unchanged", () => {
  for (const text of ["größer", "日本語", "עברית", "العربية", "naïve", "🦭"]) {
    assert.equal(visibleText(text), text);
    assert.equal(visibleLine(text), text);
    assert.equal(escapeJsonLine(`"${text}"\n`), `"${text}"\n`);
  }
});

test("a report keeps its lines, and a single line stays one", () => {
  assert.equal(visibleText("a\tb\nc\n"), "a\tb\nc\n");
  assert.equal(visibleLine("a\nb"), "a\\nb");
  assert.equal(visibleLine("a\n"), "a\\n");
});

test("any logged line stays one line with the same meaning and without control characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (key, value) => {
      const said = { [key]: value, nested: [{ value }] };
      const line = escapeJsonLine(JSON.stringify(said));
      assert.doesNotMatch(line, isObeyed);
      assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify(said)));
      assert.doesNotMatch(JSON.stringify(visibleFields(said)), isObeyed);
    }),
  );
});

test("fields for people lose control characters in names and values, and a stack keeps its lines", () => {
  assert.deepEqual(
    visibleFields({ "a\u009b": "b\nc", err: { stack: "Error: \u202e\n    at x", list: ["\u007f"] }, n: 1 }),
    { "a\\u009b": "b\\nc", err: { stack: "Error: \\u202e\n    at x", list: ["\\u007f"] }, n: 1 },
  );
});
