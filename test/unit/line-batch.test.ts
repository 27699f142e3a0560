// Lines of a log are passed on in batches: whole, in order, and none too late.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import fc from "fast-check";
import { LineBatch } from "../../src/observe/line-batch.js";

/** Writes the lines, and returns the batches that were taken without a flush and by it. */
function batchesOf(lines: readonly string[]): { readonly full: string[]; readonly all: string[] } {
  const all: string[] = [];
  const batch = new LineBatch((bytes) => all.push(Buffer.from(bytes).toString()));
  for (const line of lines) batch.write(line);
  const full = [...all];
  batch.flush();
  return { full, all };
}

test("batches have all lines in order, each in one piece", () => {
  const lines = fc.array(
    fc.string({ unit: "grapheme", maxLength: 2_000 }).map((text) => `${text.replaceAll("\n", "")}\n`),
    { maxLength: 300 },
  );
  fc.assert(
    fc.property(lines, (written) => {
      const { all } = batchesOf(written);
      assert.equal(all.join(""), written.join(""));
      for (const batch of all) assert.ok(batch.endsWith("\n"));
    }),
  );
});

test("a busy server's lines are passed on without waiting, and in memory that is bounded", () => {
  const lines = Array.from({ length: 5_000 }, (_, index) => `${String(index).padEnd(250, "ü")}\n`);
  const { full } = batchesOf(lines);
  assert.ok(full.length > 10, `${full.length} batches`);
  for (const batch of full) assert.ok(Buffer.byteLength(batch) <= 128 * 1024);
});

test("a single line waits for others, but not long", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const taken: string[] = [];
    const batch = new LineBatch((bytes) => taken.push(Buffer.from(bytes).toString()));
    batch.write("one\n");
    assert.deepEqual(taken, []);
    mock.timers.tick(200);
    assert.deepEqual(taken, ["one\n"]);
    batch.flush();
    assert.deepEqual(taken, ["one\n"], "nothing is passed on twice");
  } finally {
    mock.timers.reset();
  }
});
