import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import type { Output } from "../../src/cli/invocation.js";
import { lineOf, ProgressDisplay } from "../../src/cli/progress.js";
import { formatSeconds } from "../../src/lib/format.js";

/** Output on standard error, with and without a terminal. */
function outputOf(isTTY: boolean): { output: Output; written: () => string } {
  let text = "";
  const stream = new Writable({
    write: (chunk, _, done) => {
      text += String(chunk);
      done();
    },
  });
  const output = Object.assign(stream, { isTTY, columns: 100, hasColors: () => false });
  return { output, written: () => text };
}

const megabytes = (done: number) => ({
  what: "contents",
  done: done * 2 ** 20,
  total: 100 * 2 ** 20,
  unit: "bytes" as const,
});

function withClock(context: TestContext) {
  context.mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 });
  return (milliseconds: number) => context.mock.timers.tick(milliseconds);
}

test("on a terminal, a bar shows share, amount, rate and remaining time, and is cleared at the end", (context) => {
  const tick = withClock(context);
  const { output, written } = outputOf(true);
  const display = new ProgressDisplay({ stderr: output, words: [], env: {} });
  display.show(megabytes(0));
  for (let second = 1; second <= 20; second++) {
    tick(1000);
    display.show(megabytes(second));
  }
  tick(200);
  assert.match(
    written(),
    /\[#{6}\.{24}\] 20 % {2}20\.0 MiB of 100\.0 MiB, [\d.]+ [KM]iB\/s, 1m \d+s left {2}contents/,
  );
  display.end();
  assert.ok(written().endsWith("\u001b[2K"), "the line is cleared");
});

test("elsewhere there are plain lines every few seconds, and none for short work", (context) => {
  const tick = withClock(context);
  const { output, written } = outputOf(false);
  const display = new ProgressDisplay({ stderr: output, words: [], env: {} });
  display.show(megabytes(1));
  tick(4000);
  display.show(megabytes(4));
  assert.equal(written(), "");
  for (let second = 5; second <= 16; second++) {
    tick(1000);
    display.show(megabytes(second));
  }
  display.end();
  const lines = written().trimEnd().split("\n");
  assert.ok(lines.length >= 3 && lines.length <= 5, written());
  for (const line of lines)
    assert.match(
      line,
      /^\[#*\.*\] \d+ % {2}\S+ MiB of 100\.0 MiB(?:, [\d.]+ [KM]iB\/s(?:, [\dms ]+ left)?)? {2}contents$/,
    );
});

test("restarted work has a rate of its own", (context) => {
  const tick = withClock(context);
  const { output, written } = outputOf(true);
  const display = new ProgressDisplay({ stderr: output, words: [], env: {} });
  const repositories = (done: number) => ({ what: `r${done}`, done, unit: "repositories" as const });
  for (const done of [1, 50, 100]) {
    tick(1000);
    display.show(repositories(done));
  }
  display.show(repositories(1));
  tick(1000);
  display.show(repositories(2));
  tick(200);
  display.end();
  assert.match(written(), /2 repositories, 1 repositories\/s {2}r2/);
});

test("no rate is shown before it is known", () => {
  const line = lineOf(megabytes(0), { eta: Number.NaN, startTime: Date.now() }, 0, (text) => text);
  assert.equal(line, `[${".".repeat(30)}] 0 %  0 B of 100.0 MiB  contents`);
});

for (const [seconds, text] of [
  [0, "0s"],
  [59.2, "1m"],
  [125, "2m 5s"],
  [7200, "2h"],
  [8040, "2h 14m"],
  [86_399.5, "1 day"],
  [36 * 3600, "1 day 12h"],
  [7 * 86_400, "7 days"],
] as const)
  test(`${seconds} seconds are ${text}`, () => {
    assert.equal(formatSeconds(seconds), text);
  });
