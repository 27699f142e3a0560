// A repository's tags with their JSON, against JSON.stringify.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TagList } from "../../src/cache/tag-list.js";
import { parseTag, type Tag } from "../../src/domain/reference.js";

function jsonOf(list: TagList, start: number, end: number): unknown {
  return JSON.parse(`[${Buffer.concat([...list.json(start, end)])}]`);
}

const tags = fc
  .uniqueArray(fc.nat({ max: 9_999 }), { maxLength: 3_000, size: "max" })
  .map((numbers) => numbers.map((number) => parseTag(`v${number}`)).sort());

test("any part of the list has the JSON of its tags, before and after changes", () => {
  fc.assert(
    fc.property(
      tags,
      fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 9_999 })), { maxLength: 20 }),
      fc.array(fc.tuple(fc.nat({ max: 3_000 }), fc.nat({ max: 3_000 })), { minLength: 1, maxLength: 5 }),
      (sorted, changes, parts) => {
        let list = TagList.of(sorted);
        const model = new Set<Tag>(sorted);
        const check = () => {
          const all = [...model].sort();
          assert.deepEqual(list.tags, all);
          assert.equal(list.bytes, TagList.of(all).bytes);
          for (const [start, length] of parts) {
            const end = Math.min(all.length, start + length);
            if (start < end) assert.deepEqual(jsonOf(list, start, end), all.slice(start, end));
            else assert.deepEqual([...list.json(start, end)], []);
          }
        };
        check();
        for (const [isAdded, number] of changes) {
          const tag = parseTag(`v${number}`);
          list = isAdded ? list.with(tag) : list.without(tag);
          if (isAdded) model.add(tag);
          else model.delete(tag);
        }
        check();
      },
    ),
    { numRuns: 30 },
  );
});

test("a page of a list that has not changed is not rendered again", () => {
  const list = TagList.of(Array.from({ length: 2_500 }, (_, index) => parseTag(`v${index + 10_000}`)));
  const [first] = list.json(0, 2_500);
  const [again] = list.json(0, 1_000);
  assert.equal(first?.buffer, again?.buffer);
});
