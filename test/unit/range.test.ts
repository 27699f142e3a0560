// Byte ranges of downloads and chunks, compared with an oracle that examines every single byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseContentRange, rangesMax, selectRanges } from "../../src/domain/range.js";
import { anyText, kindOf } from "./arbitraries.js";

type Wanted =
  | { readonly kind: "closed"; readonly from: number; readonly to: number }
  | { readonly kind: "open"; readonly from: number }
  | { readonly kind: "suffix"; readonly length: number };

const position = fc.nat({ max: 24 });
const wanted: fc.Arbitrary<Wanted> = fc.oneof(
  fc.record({ kind: fc.constant("closed" as const), from: position, to: position }),
  fc.record({ kind: fc.constant("open" as const), from: position }),
  fc.record({ kind: fc.constant("suffix" as const), length: position }),
);

function textOf(range: Wanted): string {
  if (range.kind === "closed") return `${range.from}-${range.to}`;
  return range.kind === "open" ? `${range.from}-` : `-${range.length}`;
}

/** Positions of all existing bytes in the range. */
function bytesOf(range: Wanted, size: number): number[] {
  const all = Array.from({ length: size }, (_, at) => at);
  if (range.kind === "closed") return all.filter((at) => range.from <= at && at <= range.to);
  return all.filter((at) => (range.kind === "open" ? range.from <= at : at >= size - range.length));
}

test("ranges select exactly their bytes, or everything if they would send more", () => {
  fc.assert(
    fc.property(
      fc.array(wanted, { minLength: 1, maxLength: 50 }),
      fc.nat({ max: 20 }),
      fc.constantFrom(",", ", ", " ,\t"),
      (ranges, size, comma) => {
        const selected = selectRanges(`bytes=${ranges.map(textOf).join(comma)}`, size);
        const expected = ranges.map((range) => bytesOf(range, size)).filter((bytes) => bytes.length > 0);
        if (size === 0) return assert.equal(selected, "all");
        if (expected.length === 0) return assert.equal(selected, "unsatisfiable");
        if (expected.length > 1 && expected.flat().length > size) return assert.equal(selected, "all");
        assert.ok(Array.isArray(selected));
        assert.deepEqual(
          selected,
          expected.map((bytes) => ({ first: bytes[0], last: bytes.at(-1) })),
        );
      },
    ),
    { numRuns: 2000 },
  );
});

test("for any header, the selection lies within the content and is not larger", () => {
  fc.assert(
    fc.property(
      fc.oneof(anyText, fc.string({ unit: fc.constantFrom(..."bytes=0123456789-, ") })).map((text) => text),
      fc.nat({ max: 50 }),
      (text, size) => {
        for (const header of [text, `bytes=${text}`]) {
          const selected = selectRanges(header, size);
          if (typeof selected === "string") continue;
          assert.ok(selected.length > 0 && selected.length <= rangesMax);
          for (const { first, last } of selected) assert.ok(0 <= first && first <= last && last < size);
          const total = selected.reduce((sum, { first, last }) => sum + last - first + 1, 0);
          assert.ok(total <= size);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

const cases: readonly [header: string, result: ReturnType<typeof selectRanges>][] = [
  ["", "all"],
  ["bytes", "all"],
  ["bytes=", "all"],
  ["bytes=,", "all"],
  ["bytes=-", "all"],
  ["bytes=a-b", "all"],
  ["bytes=0-1;2-3", "all"],
  ["bytes=--1", "all"],
  ["bytes=0x1-2", "all"],
  ["lines=0-1", "all"],
  [`bytes=${"0".repeat(400)}-1`, "all"],
  ["bytes=-0", "unsatisfiable"],
  ["bytes=10-", "unsatisfiable"],
  ["bytes=5-0", "unsatisfiable"],
  ["bytes=99999999999999999999-", "unsatisfiable"],
  ["BYTES=1-2", [{ first: 1, last: 2 }]],
  ["bytes = 1-2", [{ first: 1, last: 2 }]],
  ["bytes=9-", [{ first: 9, last: 9 }]],
  ["bytes=-99", [{ first: 0, last: 9 }]],
  ["bytes=0-999999999999999", [{ first: 0, last: 9 }]],
  ["bytes=8-18446744073709551616", [{ first: 8, last: 9 }]],
  ["bytes=-18446744073709551616", [{ first: 0, last: 9 }]],
  [
    `bytes=${Array(rangesMax + 1)
      .fill("0-0")
      .join()}`,
    "all",
  ],
];
for (const [header, result] of cases) {
  test(`of ten bytes, "${header.slice(0, 40)}" selects ${JSON.stringify(result)}`, () => {
    assert.deepEqual(selectRanges(header, 10), result);
  });
}

test("of empty content, every range selects everything, so that no client misses bytes", () => {
  for (const header of ["bytes=0-1048575", "bytes=0-", "bytes=5-", "bytes=-5", "bytes=-0", "bytes=0-0,2-3"])
    assert.equal(selectRanges(header, 0), "all", header);
});

test("the maximum number of ranges is selected, and with one more everything is sent", () => {
  const list = (count: number) => `bytes=${Array.from({ length: count }, (_, at) => `${2 * at}-${2 * at}`)}`;
  const selected = selectRanges(list(rangesMax), 1e6);
  assert.ok(Array.isArray(selected));
  assert.equal(selected.length, rangesMax);
  assert.deepEqual(selected.at(-1), { first: 2 * (rangesMax - 1), last: 2 * (rangesMax - 1) });
  assert.equal(selectRanges(list(rangesMax + 1), 1e6), "all");
});

test("empty elements of a list are ignored", () => {
  assert.deepEqual(selectRanges("bytes=,, 1-2,\t,,4-4 ,", 10), [
    { first: 1, last: 2 },
    { first: 4, last: 4 },
  ]);
});

test("a chunk's range is parsed", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (first, length) => {
      const last = first + length;
      for (const header of [`${first}-${last}`, ` ${first}-${last} `, `bytes ${first}-${last}/*`]) {
        assert.deepEqual(parseContentRange(header), { first, last });
      }
    }),
  );
});

test("an invalid range of a chunk gives a typed error", () => {
  const text = fc.oneof(anyText, fc.string({ unit: fc.constantFrom(..."0123456789-/* bytes=") }));
  fc.assert(
    fc.property(text, (header) => {
      const kind = kindOf(() => parseContentRange(header));
      if (kind !== "none") return assert.equal(kind, "upload-invalid");
      const { first, last } = parseContentRange(header);
      assert.ok(Number.isSafeInteger(first) && Number.isSafeInteger(last) && 0 <= first && first <= last);
    }),
    { numRuns: 2000 },
  );
});

for (const header of ["", "0", "0-", "-5", "5-4", "a-b", "0-1-2", "0-1,2-3", "-1-2", `0-${"9".repeat(16)}`]) {
  test(`"${header}" is not a range of a chunk`, () => {
    assert.equal(
      kindOf(() => parseContentRange(header)),
      "upload-invalid",
    );
  });
}
