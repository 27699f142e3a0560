// Ordered sources are merged lazily, each text once, with the sources that have it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { merged } from "../../src/lib/merged.js";

async function* each(texts: Iterable<string>): AsyncGenerator<string, void> {
  yield* texts;
}

const sorted = fc
  .uniqueArray(fc.constantFrom<string>("a", "a-b", "a/b", "b", "b0", "c"))
  .map((list) => list.sort());

test("a merge has each text of the sources once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(sorted, { maxLength: 4 }), async (lists) => {
      const found: string[] = [];
      for await (const { item, sources } of merged(lists.map(each))) {
        found.push(item);
        const having = lists.flatMap((list, index) => (list.includes(item) ? [index] : []));
        assert.deepEqual([...sources], having);
      }
      assert.deepEqual(found, [...new Set(lists.flat())].sort());
    }),
  );
});

test("a merge that ends early reads little, and ends its sources", async () => {
  let read = 0;
  let ended = 0;
  async function* endless(): AsyncGenerator<string, void> {
    try {
      for (let index = 0; ; index++) {
        read++;
        yield String(index).padStart(9, "0");
      }
    } finally {
      ended++;
    }
  }
  for await (const { item } of merged([endless(), endless()])) if (item === "000000004") break;
  assert.equal(ended, 2);
  assert.equal(read, 10);
});
