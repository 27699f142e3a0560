import assert from "node:assert/strict";
import { test } from "node:test";
import { Deadline } from "../../src/lib/deadline.js";

const never = new Promise<string>(() => {});

test("work in time gives its result, and late work nothing", async () => {
  assert.equal(await new Deadline(60_000).within(Promise.resolve("found")), "found");
  assert.equal(await new Deadline(1).within(never), undefined);
  assert.equal(await new Deadline(0).half().within(never), undefined);
});

test("an error of the work is the caller's, but not one that comes too late", async () => {
  await assert.rejects(new Deadline(60_000).within(Promise.reject(new Error("broken"))), /broken/);
  let fail: (error: Error) => void = () => {};
  const late = new Promise<string>((_, reject) => {
    fail = reject;
  });
  assert.equal(await new Deadline(1).within(late), undefined);
  // Nobody listens any more: an unhandled rejection would end the process.
  fail(new Error("too late"));
  await new Promise((resolve) => setImmediate(resolve));
});

test("nobody waits for a caller that has gone", async () => {
  const gone = new AbortController();
  const deadline = new Deadline(60_000, gone.signal);
  const waiting = deadline.within(never);
  gone.abort(new Error("gone"));
  await assert.rejects(waiting, /gone/);
  await assert.rejects(deadline.within(Promise.resolve("found")), /gone/);
});
