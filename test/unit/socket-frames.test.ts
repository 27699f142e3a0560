// Frames between processes arrive whole, however the socket cuts them.

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Clocks, Frames } from "../../src/cluster/socket/frames.js";

const texts = ["first", "", "a".repeat(100_000), "é", "last"];

/** Each text after its length in four bytes, the least significant first. */
const bytes = Buffer.concat(
  texts.flatMap((text) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(Buffer.byteLength(text));
    return [length, Buffer.from(text)];
  }),
);

for (const pieceBytes of [1, 3, 4, 4096, bytes.length])
  test(`frames in pieces of ${pieceBytes} bytes`, async () => {
    const stream = new PassThrough();
    const received: string[] = [];
    new Frames(
      stream,
      new Clocks(),
      (text) => received.push(text),
      () => {},
    );
    for (let at = 0; at < bytes.length; at += pieceBytes) stream.write(bytes.subarray(at, at + pieceBytes));
    while (received.length < texts.length) await turn();
    assert.deepEqual(received, texts);
  });
