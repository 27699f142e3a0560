// Each key has its own turns: a busy key does not delay others, and abandoned work does not start.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyedTurns } from "../../src/lib/keyed-turns.js";

const never = new AbortController().signal;

test("a limited number per key runs concurrently, and other keys do not wait", async () => {
  const turns = new KeyedTurns(2);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const work = (name: string) => () => {
    begun.push(name);
    return new Promise<string>((resolve) => ends.push(() => resolve(name)));
  };
  const all = ["a1", "a2", "a3", "b1"].map((name) => turns.within(name.slice(0, 1), never, work(name)));
  await new Promise(setImmediate);
  assert.deepEqual(begun, ["a1", "a2", "b1"]);
  ends[0]?.();
  await all[0];
  await new Promise(setImmediate);
  assert.deepEqual(begun, ["a1", "a2", "b1", "a3"]);
  for (const end of ends) end();
  assert.deepEqual(await Promise.all(all), ["a1", "a2", "a3", "b1"]);
});

test("work of a client that disconnected while waiting does not start, and failing work ends its turn", async () => {
  const turns = new KeyedTurns(1);
  const gone = new AbortController();
  let end = () => {};
  const first = turns.within("a", never, () => new Promise<void>((resolve) => (end = resolve)));
  await new Promise(setImmediate);
  const second = turns.within("a", gone.signal, () => assert.fail("it was begun"));
  gone.abort(new Error("gone"));
  end();
  await first;
  await assert.rejects(second, /gone/);
  await assert.rejects(
    turns.within("a", never, () => Promise.reject(new Error("failed"))),
    /failed/,
  );
  assert.equal(await turns.within("a", never, () => Promise.resolve(1)), 1);
});
