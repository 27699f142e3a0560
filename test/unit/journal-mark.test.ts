// The file with the mark of the journal: which of its slots counts, and where the next mark is written.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, mock, test } from "node:test";
import { type Mark, MarkFile, markIn, markSlots } from "../../src/storage/filesystem/journal/mark.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-mark-"));
after(() => rm(folder, { recursive: true, force: true }));
const path = join(folder, "mark");

function markOf(generation: number): Mark {
  return { generation, sequence: 10 * generation, isClosed: false, secret: 5n };
}

async function openMark(): Promise<MarkFile> {
  const file = await MarkFile.open(path, true);
  assert.ok(file !== undefined);
  return file;
}

/** Returns the bytes of a slot with the mark. */
async function slotOf(mark: Mark): Promise<Buffer> {
  await rm(path, { force: true });
  const file = await openMark();
  await file.write(mark);
  await file.close();
  const bytes = await readFile(path);
  const at = markSlots.find((slot) => markIn(bytes, slot) !== undefined) ?? 0;
  return bytes.subarray(at, at + 512);
}

/** Lets the sync with the number fail during the work, which rejects then. */
async function failAt({ handle }: MarkFile, number: number, work: () => Promise<void>): Promise<void> {
  let syncs = 0;
  const stub = mock.method(handle, "datasync", async () => {
    if (++syncs === number) throw new Error("no sync");
  });
  try {
    await assert.rejects(work(), /no sync/);
  } finally {
    stub.mock.restore();
  }
}

test("the slots are in blocks of their own, with room on the disk before they are written", async () => {
  assert.ok(markSlots[1] - markSlots[0] >= 4096);
  await rm(path, { force: true });
  const file = await openMark();
  assert.equal(file.mark, undefined);
  assert.equal(file.isDamaged, false);
  await file.close();
  assert.equal((await stat(path)).size, markSlots[1] + 4096);
});

for (const [first, second] of [
  [7, 8],
  [8, 7],
] as const)
  test(`a file of earlier versions is read, with ${first} and ${second} in its slots`, async () => {
    const slots = [await slotOf(markOf(first)), await slotOf(markOf(second))];
    await writeFile(path, Buffer.concat(slots));
    const file = await openMark();
    assert.deepEqual(file.mark, markOf(8));
    // A write that is torn leaves it.
    await failAt(file, 1, () => file.write(markOf(9)));
    const between = await readFile(path);
    assert.deepEqual([0, 512].map((at) => markIn(between, at)?.generation).sort(), [7, 8]);
    await file.write(markOf(10));
    await file.close();
    const after = await readFile(path);
    assert.deepEqual(
      [...markSlots, 512].map((at) => markIn(after, at)?.generation),
      [10, 10, undefined],
    );
    const again = await openMark();
    assert.deepEqual([again.mark, again.isDamaged], [markOf(10), false]);
    await again.close();
  });

test("a write that fails leaves the last mark in one slot, and so does the next one", async () => {
  await slotOf(markOf(1));
  const file = await openMark();
  for (const fails of [1, 2]) {
    await failAt(file, fails, () => file.write(markOf(2)));
    const bytes = await readFile(path);
    const intact = markSlots.map((at) => markIn(bytes, at)?.generation);
    // The sync of the last one failed, so nobody knows whether it is on the disk.
    assert.deepEqual(intact, fails === 1 ? [1, 2] : [2, 2]);
    if (fails === 2) {
      // Now the one that was synced must stay.
      await failAt(file, 1, () => file.write(markOf(3)));
      const after = await readFile(path);
      assert.deepEqual(
        markSlots.map((at) => markIn(after, at)?.generation),
        [3, 2],
      );
    }
  }
  await file.close();
});

for (const damagedAt of markSlots)
  test(`the last mark is in both slots, and the one at ${damagedAt} may be damaged`, async () => {
    await slotOf(markOf(1));
    const file = await openMark();
    await file.write(markOf(2));
    await file.close();
    const bytes = await readFile(path);
    bytes.writeUInt8(77, damagedAt + 16);
    await writeFile(path, bytes);
    const again = await openMark();
    assert.deepEqual([again.mark, again.isDamaged], [markOf(2), true]);
    // The other one has the only mark.
    await failAt(again, 1, () => again.write(markOf(3)));
    const between = await readFile(path);
    const other = markSlots.find((at) => at !== damagedAt) ?? 0;
    assert.deepEqual(markIn(between, other), markOf(2));
    await again.write(markOf(4));
    await again.close();
    const after = await readFile(path);
    assert.deepEqual(
      markSlots.map((at) => markIn(after, at)?.generation),
      [4, 4],
    );
  });
