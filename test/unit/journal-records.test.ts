// The journal's segments: a reader finds all that was synced, however the last write was torn, and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  aligned,
  contentOf,
  encodeRecord,
  jsonOf,
  type NumberedRecord,
  sizeOf,
} from "../../src/storage/filesystem/journal/record.js";
import { scanSegment } from "../../src/storage/filesystem/journal/scan.js";

const segmentBytes = 16 * 1024;
const secret = 0xdead_beef_0000_0001n;

/** Writes groups as a worker does. Returns where each ends. */
function write(segment: Buffer, groups: readonly (readonly NumberedRecord[])[], from = 0): number[] {
  const ends: number[] = [];
  let position = from;
  for (const group of groups) {
    const buffer = Buffer.alloc(group.reduce((sum, record) => sum + sizeOf(record), 0));
    let end = 0;
    for (const record of group) end = encodeRecord(record, buffer, end, position);
    buffer.copy(segment, position);
    position += end;
    ends.push(position);
  }
  return ends;
}

/** Sizes of the bytes of the records of some groups, which fit into a segment. */
const shapes = fc.array(fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 8,
});

function recordsOf(shape: readonly (readonly number[])[], first: number, generation: number) {
  let sequence = first;
  return shape.map((sizes) =>
    sizes.map((size): NumberedRecord => {
      const bytes = [Buffer.alloc(size, sequence % 251), Buffer.from("end")];
      const json = jsonOf([{ do: "file", path: `manifests/${sequence}`, bytes: size + 3, at: sequence }]);
      return { json, bytes, sequence: sequence++, generation, secret };
    }),
  );
}

const sequences = (groups: readonly (readonly NumberedRecord[])[]) =>
  groups.flat().map(({ sequence }) => sequence);

test("a record is read as it was written", () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const groups = recordsOf(shape, 1, 3);
      const segment = Buffer.alloc(segmentBytes);
      write(segment, groups);
      const { records, damagedAt } = scanSegment(segment, 0, secret);
      assert.deepEqual(damagedAt, []);
      for (const [index, record] of groups.flat().entries()) {
        const found = records[index];
        assert.ok(found);
        assert.deepEqual([found.sequence, found.generation], [record.sequence, 3]);
        const content = contentOf(segment.subarray(found.position, found.position + found.length));
        assert.deepEqual(content.operations, JSON.parse(record.json.toString()));
        assert.ok(content.bytes.equals(Buffer.concat(record.bytes)));
      }
      assert.equal(records.length, groups.flat().length);
    }),
  );
});

test("a segment that was written again ends with the new records, wherever the last group is torn", () => {
  fc.assert(
    fc.property(shapes, shapes, fc.array(fc.boolean(), { maxLength: 200 }), (old, shape, written) => {
      const segment = Buffer.alloc(segmentBytes);
      write(segment, recordsOf(old, 1, 1));
      const groups = recordsOf(shape, 1000, 2);
      const [last = []] = groups.splice(-1);
      const end = write(segment, groups).at(-1) ?? 0;
      // Each 8 bytes of the last group may have reached the disk or not.
      const torn = Buffer.from(segment);
      const [tornEnd = end] = write(torn, [last], end);
      for (let at = end; at < tornEnd; at += 8)
        if (written[(at - end) / 8] === true) torn.copy(segment, at, at, at + 8);
      const { records, damagedAt } = scanSegment(segment, 2, secret);
      assert.deepEqual(damagedAt, []);
      const found = records.map(({ sequence }) => sequence);
      const synced = sequences(groups);
      assert.deepEqual(found.slice(0, synced.length), synced);
      // Then the first records of the torn group, or old ones, of an earlier generation.
      const more = found.slice(synced.length).filter((sequence) => sequence >= 1000);
      assert.deepEqual(more, sequences([last]).slice(0, more.length));
    }),
  );
});

test("a damaged byte in a synced group costs one record, is reported, and hides no other", () => {
  fc.assert(
    fc.property(shapes, fc.nat(), fc.integer({ min: 1, max: 255 }), (shape, place, flip) => {
      const segment = Buffer.alloc(segmentBytes);
      const groups = [...recordsOf(shape, 1, 2), ...recordsOf([[10]], 1000, 2)];
      const ends = write(segment, groups);
      const damaged = place % (ends.at(-2) ?? 1);
      const before = scanSegment(segment, 0, secret).records;
      const hit = before.find(({ position, length }) => damaged >= position && damaged < position + length);
      segment.writeUInt8(segment.readUInt8(damaged) ^ flip, damaged);
      const { records, damagedAt } = scanSegment(segment, 0, secret);
      const group = groups.find((one) => one.some(({ sequence }) => sequence === hit?.sequence)) ?? [];
      const lost = group.filter(({ sequence }) => hit !== undefined && sequence >= hit.sequence);
      assert.deepEqual(damagedAt, hit === undefined ? [] : [hit.position]);
      // What follows in the same group may be torn with it.
      const kept = before.filter(({ sequence }) => !lost.some((one) => one.sequence === sequence));
      for (const { sequence } of kept) assert.ok(records.some((found) => found.sequence === sequence));
      assert.ok(records.every(({ sequence }) => sequence !== hit?.sequence));
    }),
  );
});

test("bytes of a blob that look like a record are no record, wherever the record with the blob is torn", () => {
  fc.assert(
    fc.property(shapes, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(), (shape, guess, place) => {
      fc.pre(guess !== secret);
      const forged = Buffer.alloc(4096);
      const json = jsonOf([{ do: "file", path: "manifests/others", bytes: 0, at: 1 }]);
      // At each position that a reader may try, with numbers above all others.
      const one = { json, bytes: [], sequence: 2 ** 50, generation: 2 ** 50, secret: guess };
      for (let at = 0; at + sizeOf(one) <= forged.length; ) at = encodeRecord(one, forged, at, 2 ** 32 - 1);
      const blob: NumberedRecord = {
        json: jsonOf([{ do: "blob", path: "blobs/a", content: "content/a" }]),
        bytes: [forged],
        ...{ sequence: 500, generation: 2, secret },
      };
      const groups = recordsOf(shape, 1, 2);
      const segment = Buffer.alloc(segmentBytes);
      const ends = write(segment, [...groups, [blob]]);
      const at = ends.at(-2) ?? 0;
      const torn = at + (place % (sizeOf(blob) - forged.length));
      segment.writeUInt8(segment.readUInt8(torn) ^ 1, torn);
      for (const known of [secret, undefined]) {
        const { records, damagedAt } = scanSegment(segment, 0, known);
        assert.deepEqual(damagedAt, []);
        assert.deepEqual(
          records.map(({ sequence }) => sequence),
          sequences(groups),
        );
      }
    }),
  );
});

test("a segment whose first record cannot be read counts as damaged if nobody knows its secret", () => {
  const segment = Buffer.alloc(segmentBytes);
  assert.deepEqual(scanSegment(segment, 0), { records: [], damagedAt: [] });
  write(segment, recordsOf([[10], [20]], 1, 1));
  assert.equal(scanSegment(segment, 0).records.length, 2);
  segment.writeUInt8(0, 0);
  assert.deepEqual(scanSegment(segment, 0), { records: [], damagedAt: [0] });
});

test("records begin at multiples of 8 bytes", () => {
  fc.assert(
    fc.property(fc.nat(100_000), (length) => aligned(length) % 8 === 0 && aligned(length) - length < 8),
  );
});

test("a segment that begins with something else than a record counts as damaged", () => {
  for (const known of [secret, undefined]) {
    assert.deepEqual(scanSegment(Buffer.alloc(segmentBytes, "random"), 0, known).damagedAt, [0]);
    assert.deepEqual(scanSegment(Buffer.alloc(segmentBytes), 0, known).damagedAt, []);
    assert.deepEqual(scanSegment(Buffer.alloc(0), 0, known).damagedAt, []);
  }
  const segment = Buffer.alloc(segmentBytes);
  write(segment, recordsOf([[10]], 1, 1));
  assert.deepEqual(scanSegment(segment, 0, secret + 1n), { records: [], damagedAt: [] });
});
