import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ChunkBudget, ChunkWatch, type Watched } from "../../src/http/chunk-watch.js";
import { TurnBudget } from "../../src/lib/turn-budget.js";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("a budget applies to one turn of the event loop", async () => {
  const ends: number[] = [];
  const budget = new TurnBudget(10, 5, (used) => ends.push(used));
  const takeMany = () => Array.from({ length: 12 }, () => budget.take()).filter(Boolean).length;
  assert.equal(takeMany(), 10);
  assert.equal(takeMany(), 0);
  await nextTurn();
  assert.deepEqual(ends, [24]);
  assert.equal(takeMany(), 10);
});

class Body implements Watched {
  isSlow = false;
  isTruncated = false;
  readonly watch: ChunkWatch;
  constructor(budget: ChunkBudget) {
    this.watch = new ChunkWatch(budget, this);
  }
  slowDown(): void {
    this.isSlow = true;
  }
  goOn(): void {
    this.isSlow = false;
  }
  cutOff(): void {
    this.isTruncated = true;
  }
  /** Returns the number of chunks until it is cut off. */
  send(count: number, bytes = 1): number {
    const chunk = new Uint8Array(bytes);
    for (let sent = 0; sent < count; sent++) if (!this.watch.see(chunk)) return sent;
    return count;
  }
}

test("tiny chunks are slowed down, and cut off if there are too many at once", async () => {
  const budget = new ChunkBudget();
  const [slow, flood, other] = [new Body(budget), new Body(budget), new Body(budget)];
  assert.equal(slow.send(2000), 2000);
  await nextTurn();
  assert.ok(slow.isSlow);
  while (slow.isSlow) await sleep(5);
  assert.ok(flood.send(100_000) < 10_000);
  assert.ok(flood.isTruncated);
  assert.equal(other.send(60), 60, "others may have a few");
  assert.ok(other.send(20_000) < 20_000);
  assert.equal(budget.refused, 2);
});

test("chunks of kilobytes are never counted", async () => {
  const body = new Body(new ChunkBudget());
  assert.equal(body.send(100_000, 300), 100_000);
  await nextTurn();
  assert.ok(!body.isSlow && !body.isTruncated);
});

for (const [end, looksEnded] of [
  ["hello\r\n0\r\n\r\n", true],
  ["hello\r\n0;last=yes\r\n\r\n", true],
  ["hello\r\n000\r\nDigest: x\r\nOther: y\r\n\r\n", true],
  ["hello\r\n", false],
  ["hello\r\n0\r\n", false],
  ["hello\r\n\r\n", false],
  ["hello", false],
] as const)
  test(`${JSON.stringify(end)} ${looksEnded ? "looks" : "does not look"} like the end of a body, in any pieces`, () => {
    for (const size of [1, 3, 100]) {
      const { watch } = new Body(new ChunkBudget());
      const bytes = Buffer.from(end);
      for (let start = 0; start < bytes.length; start += size) watch.see(bytes.subarray(start, start + size));
      assert.equal(watch.looksEnded(2000), looksEnded);
      assert.ok(!watch.looksEnded(500), "the client may still be sending");
    }
  });

for (const [last, looksEnded] of [
  ["\r\n", true],
  ["Digest: x\r\nOther: y\r\n\r\n", true],
  ["a line\r\n", false],
  ["a paragraph\r\n\r\n", false],
  ["\n", false],
] as const)
  test(`a separate piece ${JSON.stringify(last)} ${looksEnded ? "looks" : "does not look"} like the end after ten seconds`, () => {
    const { watch } = new Body(new ChunkBudget());
    for (const piece of ["hello", last]) watch.see(Buffer.from(piece));
    assert.equal(watch.looksEnded(10_000), looksEnded);
    assert.ok(!watch.looksEnded(9000), "the client may still be sending");
  });
