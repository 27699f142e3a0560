// A growing buffer contains exactly the bytes that arrived, in any pieces, and is charged for its real memory.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GrowingBuffer } from "../../src/lib/growing-buffer.js";
import { MemoryAccount } from "../support/memory-account.js";

test("it contains the added bytes in order, charged to its account", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 30 }),
      fc.option(fc.nat({ max: 5000 }), { nil: undefined }),
      (pieces, expected) => {
        const account = new MemoryAccount();
        const buffer = new GrowingBuffer(account, expected);
        let length = 0;
        for (const piece of pieces) {
          const copy = piece.slice();
          assert.ok(buffer.append(copy));
          copy.fill(0);
          length += piece.length;
          assert.equal(buffer.length, length);
          assert.ok(account.taken >= length);
        }
        const whole = buffer.whole();
        assert.ok(whole.equals(Buffer.concat(pieces)));
        assert.equal(whole.buffer.byteLength, length, "it does not share a larger buffer");
        assert.equal(account.taken, length);
        buffer.clear();
        assert.equal(account.taken, 0);
      },
    ),
  );
});

test("a million pieces of one byte need no more memory than one piece of a million bytes", () => {
  const [many, one] = [new MemoryAccount(), new MemoryAccount()];
  const [pieces, piece] = [new GrowingBuffer(many), new GrowingBuffer(one)];
  for (let count = 0; count < 1_000_000; count++) pieces.append(Uint8Array.of(count));
  piece.append(new Uint8Array(1_000_000));
  assert.ok(many.taken <= 2 * one.taken);
  assert.ok(many.peak <= 3 * one.taken);
});

test("a buffer that knows its final size takes no more than that", () => {
  const account = new MemoryAccount();
  const buffer = new GrowingBuffer(account, 1000);
  for (let count = 0; count < 10; count++) buffer.append(new Uint8Array(100));
  assert.equal(account.taken, 1000);
});

test("bytes that the account does not cover are refused as a whole, and earlier ones are kept", () => {
  const buffer = new GrowingBuffer(new MemoryAccount(2000), 4000);
  assert.ok(buffer.append(Buffer.from("kept")));
  assert.equal(buffer.append(new Uint8Array(1990)), false);
  assert.equal(buffer.whole().toString(), "kept");
});

test("a buffer with part of the expected bytes pays for all of them and is not moved again", () => {
  const account = new MemoryAccount();
  const buffer = new GrowingBuffer(account, 1 << 20);
  let sent = 0;
  const send = (bytes: number) => {
    buffer.append(new Uint8Array(bytes));
    sent += bytes;
  };
  for (let piece = 0; piece < 256; piece++) {
    send(1 << 10);
    assert.ok(account.taken <= Math.max(512, 2 * sent), "a client that sends little uses little");
  }
  send(1 << 10);
  assert.equal(account.taken, 1 << 20, "more than a quarter has arrived");
  const taken = account.peak;
  send((1 << 20) - sent);
  assert.equal(buffer.whole().length, 1 << 20);
  assert.equal(account.peak, taken, "no memory was allocated for the rest");
});

test("the account gets everything back when the bytes were transferred to another thread", () => {
  const account = new MemoryAccount();
  const buffer = new GrowingBuffer(account, 1000);
  buffer.append(new Uint8Array(1000));
  const { buffer: memory } = buffer.whole();
  structuredClone(memory, { transfer: [memory as ArrayBuffer] });
  buffer.clear();
  assert.equal(account.taken, 0);
});
