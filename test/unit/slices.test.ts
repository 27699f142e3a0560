// Slices: one piece of work in each turn of the event loop, and the clients take turns.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Slices } from "../../src/lib/slices.js";

const { signal } = new AbortController();

test("one piece runs in each turn, and a client with many does not delay another's", async () => {
  const slices = new Slices();
  const order: string[] = [];
  let turn = 0;
  const turns: number[] = [];
  const piece = async (client: string) => {
    await slices.next(client, signal);
    order.push(client);
    turns.push(turn);
  };
  const pieces = ["many", "many", "many", "other", "many", "third"].map(piece);
  while (order.length < pieces.length) {
    await setImmediate();
    turn++;
  }
  assert.deepEqual(order, ["many", "other", "third", "many", "many", "many"]);
  assert.equal(new Set(turns).size, turns.length);
});

test("a piece that is given up leaves its place, and later ones still run", async () => {
  const slices = new Slices();
  const gone = new AbortController();
  const first = slices.next("client", gone.signal);
  const second = slices.next("client", signal);
  gone.abort(new Error("gone"));
  await assert.rejects(first, /gone/);
  await second;
  await assert.rejects(slices.next("client", gone.signal), /gone/);
  await slices.next("client", signal);
});
