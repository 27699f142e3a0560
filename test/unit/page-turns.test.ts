// The pages of one client take turns, but one that waits for the storage does not hold up the others.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { HttpContext } from "../../src/http/context.js";
import type { Exchange } from "../../src/http/exchange.js";
import { page } from "../../src/http/web/lazily.js";
import { KeyedTurns } from "../../src/lib/keyed-turns.js";
import { Places } from "../../src/lib/places.js";
import { eventually } from "../support/store.js";

const atOnce = 2;
const openMax = 4;

function visit() {
  const turns = new KeyedTurns(atOnce);
  const context = {
    web: { turns, open: new Places(100, openMax), live: { expectPage: () => {} } },
    services: { cluster: { changes: { followAll: async () => {} } } },
  } as unknown as HttpContext;
  return (client: string, handle: () => Promise<void>): Promise<void> => {
    const exchange = { client, untilGone: () => new AbortController().signal } as unknown as Exchange;
    return page(async () => handle)(context, exchange, undefined);
  };
}

test("no more pages of one client are made at a time, and those of others beside them", async () => {
  const request = visit();
  let running = 0;
  let most = 0;
  const made: string[] = [];
  const make = (name: string) => async () => {
    most = Math.max(most, ++running);
    await sleep(5);
    running--;
    made.push(name);
  };
  const own = Array.from({ length: 6 }, (_, number) => request("a", make(`a${number}`)));
  await Promise.all([...own, request("b", make("b"))]);
  assert.equal(most, atOnce + 1);
  assert.ok(made.indexOf("b") <= atOnce, made.join());
});

test("pages that wait for the storage do not hold up the next ones, and fail as they do", async () => {
  const request = visit();
  let fail: (error: Error) => void = () => {};
  const frozen = new Promise<void>((_, reject) => {
    fail = reject;
  });
  const waiting = Array.from({ length: atOnce }, () => request("a", () => frozen));
  await request("a", async () => {});
  fail(new Error("the store is away"));
  for (const answer of waiting) await assert.rejects(answer, /the store is away/);
});

test("a client with many pages that wait for the storage gets no further one, until one of them is answered", async () => {
  const request = visit();
  const ends: (() => void)[] = [];
  const frozen = () => new Promise<void>((resolve) => ends.push(resolve));
  const waiting = Array.from({ length: openMax }, () => request("a", frozen));
  await eventually("all pages wait", () => (ends.length === openMax ? true : undefined));
  await assert.rejects(
    request("a", async () => {}),
    { kind: "too-many-requests", limit: "pages" },
  );
  await request("b", async () => {});
  ends[0]?.();
  await waiting[0];
  await request("a", async () => {});
  for (const end of ends) end();
  await Promise.all(waiting);
});
