// A number of tasks at a time, and a client with many tasks does not keep the others waiting.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FairTurns } from "../../src/lib/fair-turns.js";

test("the clients that wait take turns, each in order of arrival", async () => {
  const turns = new FairTurns(1, 10, 10);
  const begun: string[] = [];
  let running = 0;
  const task = async (client: string, number: number) => {
    assert.equal(await turns.begin(client), true);
    assert.equal(++running, 1);
    begun.push(`${client}${number}`);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    turns.end();
  };
  await Promise.all([task("a", 1), task("a", 2), task("a", 3), task("b", 1), task("b", 2), task("c", 1)]);
  assert.deepEqual(begun, ["a1", "a2", "b1", "c1", "a3", "b2"]);
});

test("of too many that wait, the last get no turn, but those of another client do", async () => {
  const turns = new FairTurns(1, 3, 2);
  assert.equal(await turns.begin("a"), true);
  const waiting = [turns.begin("a"), turns.begin("a")];
  assert.equal(await turns.begin("a"), false);
  waiting.push(turns.begin("b"));
  assert.equal(await turns.begin("b"), false);
  for (const turn of [waiting[0], waiting[2], waiting[1]]) {
    turns.end();
    assert.equal(await turn, true);
  }
  turns.end();
  assert.equal(await turns.begin("b"), true);
});

test("several tasks run at a time, and the turn of one that ends goes to the next client", async () => {
  const turns = new FairTurns(2, 10, 10);
  assert.deepEqual(await Promise.all([turns.begin("a"), turns.begin("a")]), [true, true]);
  const begun: string[] = [];
  const waiting = ["a", "a", "b"].map((client) => turns.begin(client).then(() => void begun.push(client)));
  await new Promise(setImmediate);
  assert.deepEqual(begun, []);
  turns.end();
  turns.end();
  await new Promise(setImmediate);
  assert.deepEqual(begun, ["a", "b"]);
  turns.end();
  await Promise.all(waiting);
});
