import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { CountedLines } from "../../src/lib/counted-lines.js";
import { type LineTarget, LineWriter } from "../../src/lib/line-writer.js";

/** A destination that accepts bytes as the test decides. */
class FakeTarget implements LineTarget {
  written = "";
  error: Error | undefined;
  /** Bytes that a failing write has written nevertheless. */
  writtenBeforeError = 0;
  #stuck: (() => void) | undefined;
  isStuck = false;

  write(bytes: Uint8Array, done: (error: unknown, written: number) => void): void {
    const finish = () => {
      const text = Buffer.from(bytes).toString();
      const count = this.error === undefined ? bytes.length : this.writtenBeforeError;
      this.written += text.slice(0, count);
      done(this.error, count);
    };
    if (this.isStuck) this.#stuck = finish;
    else setImmediate(finish);
  }

  writeAtExit(bytes: Uint8Array): void {
    this.written += Buffer.from(bytes).toString();
  }

  release(): void {
    this.isStuck = false;
    this.#stuck?.();
  }
}

test("lines are written in order, several at a time", async () => {
  const target = new FakeTarget();
  const writer = new LineWriter(target, 10_000);
  for (let line = 0; line < 20; line++)
    assert.ok(writer.write(line % 2 ? `${line}\n` : Buffer.from(`${line}\n`)));
  assert.ok(await writer.settled(1_000));
  assert.equal(target.written, Array.from({ length: 20 }, (_, line) => `${line}\n`).join(""));
});

test("a stuck destination delays no caller, and lines that do not fit are refused", async () => {
  const target = new FakeTarget();
  const writer = new LineWriter(target, 1_000);
  const said: string[] = [];
  const lines = new CountedLines(writer, {
    onDropping: () => said.push("dropping"),
    onDropped: (count) => said.push(`dropped ${count}`),
  });
  target.isStuck = true;
  for (let line = 0; line < 100; line++) lines.write(`${line}\n`);
  assert.ok(lines.dropped > 80 && lines.dropped < 100, String(lines.dropped));
  lines.write(Buffer.from("x\ny\nz\n".repeat(100)));
  const { dropped } = lines;
  assert.ok(dropped > 380);
  assert.equal(writer.isReady, false);
  assert.equal(await writer.settled(10), false);
  assert.deepEqual(said, ["dropping"]);
  target.release();
  assert.ok(await writer.settled(1_000));
  assert.deepEqual(said, ["dropping", `dropped ${dropped}`]);
  assert.ok(writer.isReady);
  assert.match(target.written, /^0\n1\n2\n/);
  lines.write("later\n");
  assert.ok(await writer.settled(1_000));
  assert.match(target.written, /later\n$/);
  assert.equal(said.length, 2);
});

test("a failed write is retried from the first unwritten byte", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const target = new FakeTarget();
    const writer = new LineWriter(target, 1_000);
    const said: string[] = [];
    writer.watch({ onBroken: (error) => said.push(String(error)), onMended: () => said.push("mended") });
    target.error = new Error("full");
    target.writtenBeforeError = 2;
    writer.write("first\n");
    await turn();
    writer.write("second\n");
    assert.equal(writer.isReady, false);
    for (let again = 0; again < 3; again++) {
      mock.timers.tick(1_000);
      await turn();
      target.writtenBeforeError = 0;
    }
    target.error = undefined;
    mock.timers.tick(1_000);
    await turn();
    await turn();
    assert.equal(target.written, "first\nsecond\n");
    assert.deepEqual(said, ["Error: full", "mended"]);
    assert.ok(writer.isReady);
  } finally {
    mock.timers.reset();
  }
});

test("queued lines are written at exit, and not twice", async () => {
  const target = new FakeTarget();
  const writer = new LineWriter(target, 1_000);
  target.isStuck = true;
  writer.write("under way\n");
  writer.write("waiting\n");
  writer.writeAtExit();
  assert.equal(target.written, "waiting\n");
});

test("an ended log gets no more lines", async () => {
  const target = new FakeTarget();
  const lines = new CountedLines(new LineWriter(target, 100), { onDropped: () => assert.fail("told") });
  target.isStuck = true;
  lines.write("x".repeat(30));
  lines.write("x".repeat(90));
  lines.close();
  target.release();
  await turn();
});
