import assert from "node:assert/strict";
import { test } from "node:test";
import { Closers } from "../../src/lib/closers.js";
import { each } from "../../src/lib/each.js";

test("closers run in reverse order, one after the other, even if one fails", async () => {
  const told: string[] = [];
  const closers = new Closers((error, what) => told.push(`${what}: ${(error as Error).message}`));
  closers.add("first", () => void told.push("first"));
  closers.add("rejects", async () => {
    throw new Error("no");
  });
  closers.add("throws", () => {
    throw new Error("never");
  });
  closers.add("slow", async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    told.push("slow");
  });
  await closers.close();
  assert.deepEqual(told, ["slow", "throws: never", "rejects: no", "first"]);
  await closers.close();
  assert.equal(told.length, 4, "a second call closes nothing");
});

test("each item is processed even if others fail, and then the failure is thrown", async () => {
  const done: number[] = [];
  const work = (failing: readonly number[]) =>
    each([1, 2, 3, 4], async (item) => {
      if (failing.includes(item)) throw new Error(`no ${item}`);
      done.push(item);
    });
  await assert.rejects(work([2]), { message: "no 2" });
  assert.deepEqual(done, [1, 3, 4]);
  await assert.rejects(work([1, 3]), (error: Error) => (error.cause as Error).message === "no 1");
  await work([]);
});
