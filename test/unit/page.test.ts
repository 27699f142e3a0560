// Pages of sorted lists, against a model that filters the whole list.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { firstOf, type Page, placeOf, spanOf } from "../../src/domain/page.js";

const word = fc.string({ unit: fc.constantFrom(..."aAbB09._-"), maxLength: 4 });
const lists = fc.uniqueArray(word, { maxLength: 30 }).map((items) => items.sort());
const size = fc.nat({ max: 12 });

function pageOf(sorted: readonly string[], n: number, last: string): Page<string> {
  const { start, end, ...next } = spanOf(sorted, n, last);
  return { items: sorted.slice(start, end), ...next };
}

function model(sorted: readonly string[], n: number, last: string): Page<string> {
  const behind = last === "" ? sorted : sorted.filter((item) => item > last);
  const items = behind.slice(0, n);
  const next = items.at(-1);
  return next !== undefined && behind.length > n ? { items, next } : { items };
}

test("a page has the first items after the last one seen, which need not be in the list", () => {
  fc.assert(
    fc.property(lists, size, fc.oneof(word, fc.constant("")), (sorted, n, last) => {
      assert.deepEqual(pageOf(sorted, n, last), model(sorted, n, last));
    }),
    { numRuns: 2000 },
  );
});

test("following the pages yields the whole list, each item once", () => {
  fc.assert(
    fc.property(lists, fc.integer({ min: 1, max: 7 }), (list, n) => {
      const sorted = list.filter((item) => item !== "");
      const seen: string[] = [];
      for (let last: string | undefined = ""; last !== undefined; ) {
        const page: Page<string> = pageOf(sorted, n, last);
        assert.ok(page.items.length <= n);
        seen.push(...page.items);
        last = page.next;
      }
      assert.deepEqual(seen, sorted);
    }),
  );
});

test("an item's index is after all smaller and before all larger ones", () => {
  fc.assert(
    fc.property(lists, word, (sorted, item) => {
      const place = placeOf(sorted, item);
      assert.ok(sorted.slice(0, place).every((other) => other < item));
      assert.ok(sorted.slice(place).every((other) => other >= item));
    }),
  );
});

test("a page of a lazy list reads one extra item and no more", async () => {
  await fc.assert(
    fc.asyncProperty(lists, fc.integer({ min: 1, max: 10 }), async (sorted, n) => {
      let read = 0;
      async function* source(): AsyncIterable<string> {
        for (const item of sorted) {
          read++;
          yield item;
        }
      }
      const page = await firstOf(source(), (items) => items.length < n, new AbortController().signal);
      const items = sorted.slice(0, n);
      const next = items.at(-1);
      assert.deepEqual(page, next !== undefined && sorted.length > n ? { items, next } : { items });
      assert.equal(read, Math.min(sorted.length, n + 1));
    }),
  );
});

test("reading stops for a disconnected client", async () => {
  const gone = new AbortController();
  let read = 0;
  async function* source(): AsyncIterable<string> {
    for (; ; read++) {
      if (read === 3) gone.abort(new Error("gone"));
      yield String(read);
    }
  }
  await assert.rejects(
    firstOf(source(), () => true, gone.signal),
    /gone/,
  );
  assert.equal(read, 3);
});
