// Groups of items, against a model that looks at all of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Groups } from "../../src/lib/groups.js";

const steps = fc.array(
  fc.record({
    what: fc.constantFrom("add", "add", "delete", "renew"),
    key: fc.constantFrom("a", "b", "c"),
    item: fc.nat({ max: 5 }),
  }),
  { maxLength: 60 },
);

test("counts, order and the largest group are those of the items", () => {
  fc.assert(
    fc.property(steps, (list) => {
      const groups = new Groups<string, number>();
      const model = new Map<string, number[]>([
        ["a", []],
        ["b", []],
        ["c", []],
      ]);
      for (const { what, key, item } of list) {
        groups[what as "add"](key, item);
        const items = model.get(key) ?? [];
        const rest = items.filter((other) => other !== item);
        if (what === "add") model.set(key, items.includes(item) ? items : [...items, item]);
        else if (what === "delete") model.set(key, rest);
        else model.set(key, items.includes(item) ? [...rest, item] : items);
        for (const [name, wanted] of model) {
          assert.deepEqual([...groups.of(name)], wanted);
          assert.equal(groups.count(name), wanted.length);
        }
        const most = Math.max(...Array.from(model.values(), ({ length }) => length));
        if (most === 0) assert.equal(groups.largest, undefined);
        else assert.equal(model.get(groups.largest ?? "")?.length, most);
      }
    }),
  );
});
