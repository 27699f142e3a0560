// A byte queue returns the added bytes in order, in any pieces, and is charged for its real memory.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteQueue } from "../../src/lib/byte-queue.js";
import { MemoryAccount } from "../support/memory-account.js";

/** Removes up to `count` bytes and returns them. */
function shift(queue: ByteQueue, count: number): Buffer {
  const parts: Buffer[] = [];
  for (let left = Math.min(count, queue.length); left > 0; ) {
    const part = Buffer.from(queue.peek().subarray(0, left));
    assert.ok(part.length > 0);
    queue.drop(part.length);
    parts.push(part);
    left -= part.length;
  }
  return Buffer.concat(parts);
}

const sizes = fc.oneof(fc.nat({ max: 3000 }), fc.nat({ max: 200_000 }));
const steps = fc.array(fc.oneof(fc.record({ add: sizes }), fc.record({ drop: sizes })), { maxLength: 30 });

test("it returns the added bytes in order, charged to its account", () => {
  fc.assert(
    fc.property(steps, (list) => {
      const account = new MemoryAccount();
      const queue = new ByteQueue(account);
      let model = Buffer.alloc(0);
      let next = 0;
      for (const step of list) {
        if ("add" in step) {
          const chunk = Buffer.alloc(step.add);
          for (let at = 0; at < chunk.length; at++) chunk[at] = next++ % 251;
          model = Buffer.concat([model, chunk]);
          assert.ok(queue.append(chunk));
          chunk.fill(255);
        } else {
          const taken = shift(queue, step.drop);
          assert.ok(taken.equals(model.subarray(0, taken.length)));
          model = model.subarray(taken.length);
        }
        assert.equal(queue.length, model.length);
        assert.ok(account.taken >= model.length);
      }
      assert.ok(shift(queue, model.length).equals(model));
      assert.equal(account.taken, 0, "an empty queue has no memory");
      queue.append(Buffer.from("more"));
      queue.clear();
      assert.deepEqual([queue.length, account.taken], [0, 0]);
    }),
  );
});

test("a million pieces of one byte need little more memory than one piece of a million bytes", () => {
  const [many, one] = [new MemoryAccount(), new MemoryAccount()];
  const [pieces, piece] = [new ByteQueue(many), new ByteQueue(one)];
  for (let count = 0; count < 1_000_000; count++) pieces.append(Uint8Array.of(count));
  piece.append(new Uint8Array(1_000_000));
  assert.ok(many.peak <= 1.1 * one.peak);
});

test("a queue with few bytes needs little memory", () => {
  const account = new MemoryAccount();
  const queue = new ByteQueue(account);
  for (let sent = 1; sent < 50_000; sent++) {
    queue.append(Uint8Array.of(sent));
    assert.ok(account.taken <= Math.max(512, 2 * sent));
  }
});

test("bytes that the account does not cover are refused as a whole, and earlier ones are kept", () => {
  const account = new MemoryAccount(100_000);
  const queue = new ByteQueue(account);
  assert.ok(queue.append(Buffer.from("kept")));
  assert.equal(queue.append(new Uint8Array(100_000)), false);
  assert.equal(shift(queue, 10).toString(), "kept");
  assert.equal(account.taken, 0);
});
