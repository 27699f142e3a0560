// Turns are given in order, no more at a time than allowed, and those who wait too long leave.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Turns } from "../../src/lib/turns.js";

test("no more than the number run, in order of arrival", async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  let running = 0;
  await Promise.all(
    Array.from({ length: 10 }, async (_, number) => {
      assert.equal(await turns.begin(), true);
      begun.push(number);
      running++;
      assert.ok(running <= 2);
      await sleep(1);
      running--;
      turns.end();
    }),
  );
  assert.deepEqual(begun, [...Array(10).keys()]);
});

test("who waits too long leaves, and takes no turn from others", async () => {
  const turns = new Turns(1);
  assert.equal(await turns.begin(0), true);
  const impatient = turns.begin(10);
  const patient = turns.begin(10_000);
  assert.equal(await impatient, false);
  turns.end();
  assert.equal(await patient, true);
  turns.end();
  assert.equal(await turns.begin(0), true);
  assert.equal(await turns.begin(0), false);
});

test("of too many who wait, the last get no turn, and learn that at once", async () => {
  const turns = new Turns(1, 1);
  assert.equal(await turns.begin(), true);
  const waiting = turns.begin();
  assert.equal(await turns.begin(), false);
  turns.end();
  assert.equal(await waiting, true);
});
