import type { HttpResponse } from "uWebSockets.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderBlock } from "../../src/http/header-block.js";

/** A response that keeps what is written as it would be on the wire. */
class WrittenHead {
  text = "";
  calls = 0;

  writeHeader(name: string, value: string): void {
    this.calls++;
    this.text += `${name}: ${value}\r\n`;
  }
}

function written(write: (response: HttpResponse) => void): WrittenHead {
  const head = new WrittenHead();
  write(head as unknown as HttpResponse);
  return head;
}

const common = new HeaderBlock([
  ["A", "1"],
  ["B", "2"],
]);

test("a block writes its fields with one call", () => {
  const { text, calls } = written((response) => common.write(response));
  assert.equal(text, "A: 1\r\nB: 2\r\n");
  assert.equal(calls, 1);
});

test("a block writes itself after another with one call, also after several others", () => {
  const block = new HeaderBlock([
    ["C", "3"],
    ["D", "4"],
  ]);
  const other = new HeaderBlock([["E", "5"]]);
  for (const [first, begin] of [
    [common, "A: 1\r\nB: 2\r\n"],
    [common, "A: 1\r\nB: 2\r\n"],
    [other, "E: 5\r\n"],
    [common, "A: 1\r\nB: 2\r\n"],
  ] as const) {
    const { text, calls } = written((response) => block.writeAfter(first, response));
    assert.equal(text, `${begin}C: 3\r\nD: 4\r\n`);
    assert.equal(calls, 1);
  }
});

test("a field with a line break makes no block", () => {
  for (const value of ["a\r\nB: c", "a\n", "\r"])
    assert.throws(() => new HeaderBlock([["A", value]]), /one line/);
});
